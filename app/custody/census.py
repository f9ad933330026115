"""The table of wrapped keys as a whole: in batches, in numbers, and each row tried by its key back end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, func, tuple_
from sqlmodel import Session, col, or_, select

from app.database import Database
from app.models import WrappedSecret
from storage.envelope import ObjectContext
from storage.errors import InvalidName, KeyUnavailable, WrongContext
from storage.keys import KeyBackend, WrappedKey

BATCH_ROWS = 128
HANDS = 8
"""Wraps at the key back end at one time: most of the time they are on the network."""

Tried = TypeVar("Tried")
Use = Callable[[WrappedKey, ObjectContext], Tried]

_NAME = (
    col(WrappedSecret.tenant),
    col(WrappedSecret.object_id),
    col(WrappedSecret.version),
    col(WrappedSecret.kind),
)


@dataclass(frozen=True)
class Unopened:
    """A wrap that does not open: the name of its row, the version it claims, and why (`kind` is stable)."""

    row: str
    key_version: str
    kind: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Give the fields as JSON."""
        return asdict(self)


def name(row: WrappedSecret) -> str:
    """Name a row: its table and its primary key."""
    return f"{WrappedSecret.__tablename__} {row.tenant} {row.object_id} {row.version} {row.kind}"


def behind(keyring: str, version: str) -> ColumnElement[bool]:
    """Select the wraps that are not under this version of this keyring."""
    return or_(col(WrappedSecret.key_version) != version, col(WrappedSecret.keyring) != keyring)


def under(keyring: str, version: str) -> ColumnElement[bool]:
    """Select the wraps under this version of this keyring."""
    return (col(WrappedSecret.key_version) == version) & (col(WrappedSecret.keyring) == keyring)


def batches(database: Database, *where: ColumnElement[bool]) -> Iterator[list[WrappedSecret]]:
    """Read rows in the order of their primary key, each batch in a moment of its own."""
    place: tuple[str, str, int, str] | None = None
    while True:
        query = select(WrappedSecret).where(*where).order_by(*_NAME).limit(BATCH_ROWS)
        if place is not None:
            query = query.where(tuple_(*_NAME) > tuple_(*place))
        with database.read() as session:
            rows = list(session.exec(query).all())
        if not rows:
            return
        yield rows
        last = rows[-1]
        place = last.tenant, last.object_id, last.version, last.kind


def count(session: Session, *where: ColumnElement[bool]) -> int:
    """Count rows."""
    return session.exec(select(func.count()).select_from(WrappedSecret).where(*where)).one()


def names(session: Session, where: ColumnElement[bool]) -> set[str]:
    """Name the rows."""
    return {name(row) for row in session.exec(select(WrappedSecret).where(where)).all()}


def by_version(session: Session) -> dict[tuple[str, str], int]:
    """Count rows by keyring and version."""
    keyring, version = col(WrappedSecret.keyring), col(WrappedSecret.key_version)
    rows = session.exec(select(keyring, version, func.count()).group_by(keyring, version)).all()
    return {(ring, held): number for ring, held, number in rows}


@contextmanager
def trying(
    keys: KeyBackend, use: Use[Tried]
) -> Iterator[Callable[[Iterable[WrappedSecret]], list[Tried | Unopened]]]:
    """Give a function that uses rows' wraps at the back end, several at a time, and answers in their order.

    A wrap that does not open is an answer; a back end that does not answer raises `KeyUnavailable`.
    """

    def try_one(row: WrappedSecret) -> Tried | Unopened:
        try:
            context = ObjectContext(row.tenant, row.object_id, row.version, row.kind)
            return use(WrappedKey(row.keyring, row.key_version, row.blob), context)
        except (WrongContext, InvalidName) as error:
            return Unopened(name(row), row.key_version, error.kind, str(error))
        except KeyUnavailable as error:
            keys.current_version()  # where this raises too, it is not the row's fault
            return Unopened(name(row), row.key_version, error.kind, str(error))

    with ThreadPoolExecutor(HANDS, "keys") as hands:
        yield lambda rows: list(hands.map(try_one, rows))


def unopened(
    database: Database, keys: KeyBackend, seen: Callable[[int], None] = lambda _: None
) -> Iterator[Unopened]:
    """Unwrap every key of the table and yield those that do not open; `seen` takes how many were tried."""

    def open_and_wipe(wrapped: WrappedKey, context: ObjectContext) -> None:
        keys.unwrap(wrapped, context).wipe()

    with trying(keys, open_and_wipe) as try_all:
        for rows in batches(database):
            yield from (answer for answer in try_all(rows) if answer is not None)
            seen(len(rows))
