"""If-Match (RFC 9110, section 13.1.1): change a resource only where it still is what the client read.

The condition is checked twice: before anything is asked of the chain, and once more in the transaction that
changes the rows. Of two clients that read the same and change it, one gets 412.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Header
from pydantic import BaseModel
from sqlalchemy import text
from sqlmodel import Session

from app.database import Database
from app.entity_tags import ANY, read_tags, tag_of
from app.errors import Invalid, PreconditionFailed

_FIELD = "If-Match"
_HEADER = Header(alias=_FIELD, max_length=4096, description="change it only where its ETag is one of these")


class Condition:
    """What a request demands of the resource it is going to change; `tags` None: nothing."""

    def __init__(self, tags: frozenset[str] | None) -> None:
        self._tags = tags

    @contextmanager
    def holding(self, database: Database, show: Callable[[Session], BaseModel]) -> Iterator[None]:
        """Change the resource only while `show` gives what the request demands, as it is read by its id.

        The first unit of work of the block checks that before anything else. Raises PreconditionFailed, and
        what `show` raises for a resource that the caller does not see.
        """
        if self._tags is None:
            yield
            return
        with database.read() as session:
            seen = show(session)
            self._require(seen)

        def check(session: Session) -> None:
            _take_turn(session, seen)
            self._require(show(session))

        with database.guarded(check):
            yield

    def _require(self, view: BaseModel) -> None:
        tag = tag_of(view.model_dump_json().encode())
        if self._tags is not None and not self._tags & {tag, ANY}:
            raise PreconditionFailed(
                f"the resource is no longer what was read: its ETag is {tag}",
                field=_FIELD,
                remedy="read it again, decide again, and send the ETag you then get",
            )


def _take_turn(session: Session, view: BaseModel) -> None:
    """Let conditional changes of one resource come one after the other; on SQLite all writing does."""
    if session.get_bind().dialect.name == "postgresql":
        name = hashlib.sha256(repr(view.model_dump(include={"id"})).encode()).digest()
        turn = int.from_bytes(name[:8], "big", signed=True)
        session.connection().execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": turn})


def condition(if_match: Annotated[str | None, _HEADER] = None) -> Condition:
    """Read If-Match; Invalid where it is no list of entity tags."""
    if if_match is None:
        return Condition(None)
    tags = read_tags(if_match, weak=False)
    if tags is None:
        raise Invalid(
            "If-Match is no list of entity tags", field=_FIELD, remedy='send "…", quotes included, or *'
        )
    return Condition(tags)


IfMatch = Annotated[Condition, Depends(condition)]
