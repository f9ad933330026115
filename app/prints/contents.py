"""Rows that hardly ever change, read by the hundred: what was read of them before is known by its content.

Every look goes to the database, for the whole row; only what the row means is kept. So nothing is ever older
than the transaction that read it, and a row that was altered is another one.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Collection
from threading import Lock
from typing import Any, Generic, TypeVar

from sqlalchemy import JSON, Column, Text, bindparam, cast, select
from sqlalchemy.exc import NoResultFound
from sqlmodel import Session, SQLModel

from ledger.prepared import Prepared

M = TypeVar("M", bound=SQLModel)
_ENTRIES_MAX = 4096


class Contents(Generic[M]):
    """Reads the rows of one table by their ids. Its models belong to no session: they are read, not changed.

    Safe from any thread.
    """

    def __init__(self, model: type[M]) -> None:
        self._model = model
        columns = list(SQLModel.metadata.tables[str(model.__tablename__)].c)
        self._readers = [(column.name, _reader(column)) for column in columns]
        wanted = columns[[column.name for column in columns].index("id")].in_(
            bindparam("ids", expanding=True)
        )
        self._query = Prepared(select(*map(_as_stored, columns)).where(wanted), "ids")
        self._id = [column.name for column in columns].index("id")
        self._guard = Lock()
        self._known: OrderedDict[tuple[Any, ...], M] = OrderedDict()

    def read(self, session: Session, ids: Collection[str]) -> dict[str, M]:
        """Give rows by their ids; NoResultFound where one is missing."""
        if not ids:
            return {}
        rows = self._query.rows(session.connection(), ids=list(ids))
        if len(rows) < len(ids):
            missing = len(ids) - len(rows)
            raise NoResultFound(f"{missing} of {len(ids)} rows of {self._model.__name__} are missing")
        return {row[self._id]: self._known_as(tuple(row)) for row in rows}

    def _known_as(self, row: tuple[Any, ...]) -> M:
        with self._guard:
            found = self._known.get(row)
            if found is not None:
                self._known.move_to_end(row)
                return found
        members = {name: read(value) for (name, read), value in zip(self._readers, row, strict=True)}
        found = self._model(**members)
        with self._guard:
            self._known[row] = found
            if len(self._known) > _ENTRIES_MAX:
                self._known.popitem(last=False)
        return found


def _as_stored(column: Column[Any]) -> Any:
    """Select JSON as its text, which can be compared without being read."""
    return cast(column, Text).label(column.name) if isinstance(column.type, JSON) else column


def _reader(column: Column[Any]) -> Callable[[Any], Any]:
    return _from_json if isinstance(column.type, JSON) else _itself


def _from_json(value: Any) -> Any:
    return None if value is None else json.loads(value)


def _itself(value: Any) -> Any:
    return value
