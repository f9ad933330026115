"""Statements that every print executes: compiled once, and on SQLite handed to the driver as they are.

SQLAlchemy takes ten times as long to execute a small statement as SQLite does. Values and rows must be what
the driver itself takes and gives (numbers, text, bytes, None): no JSON, no dates.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects.sqlite import dialect as SQLiteDialect  # noqa: N812
from sqlalchemy.exc import DBAPIError

_Shape: TypeAlias = tuple[tuple[str, int | None], ...]
"""The parameters' names, and of lists their lengths."""


@dataclass(frozen=True)
class _Constant:
    """A value that stands in the statement itself."""

    value: Any


_Place: TypeAlias = tuple[str, int | None] | _Constant


class Prepared:
    """One statement; `lists` names its expanding parameters. Safe from any thread."""

    def __init__(self, statement: Executable, *lists: str) -> None:
        self._statement = statement
        self._lists = frozenset(lists)
        self._compiled = lru_cache(maxsize=64)(self._compile)

    def rows(self, connection: Connection, **values: Any) -> Sequence[Any]:
        """Give the rows of a SELECT: tuples on SQLite, rows that are tuples elsewhere."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).all()
        padded = {name: _padded(value) if name in self._lists else value for name, value in values.items()}
        shape = tuple((name, len(padded[name]) if name in self._lists else None) for name in padded)
        text, places = self._compiled(shape)
        taken = [_value(padded, place) for place in places]
        try:
            rows: Sequence[Any] = _driver(connection).execute(text, taken).fetchall()
        except sqlite3.Error as error:
            raise DBAPIError.instance(text, None, error, sqlite3.Error) from error
        return rows

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute an INSERT or UPDATE for each of some rows."""
        if not rows:
            return
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, [dict(row) for row in rows])
            return
        text, places = self._compiled(tuple((name, None) for name in rows[0]))
        try:
            _driver(connection).executemany(text, [[_value(row, place) for place in places] for row in rows])
        except sqlite3.Error as error:
            raise DBAPIError.instance(text, None, error, sqlite3.Error) from error

    def _compile(self, shape: _Shape) -> tuple[str, tuple[_Place, ...]]:
        """Give SQLite's text for values of a shape, and what belongs in each of its places."""
        lists = {name: list(range(size)) for name, size in shape if size is not None}
        plain = {name: 0 for name, size in shape if size is None}
        statement: Any = self._statement
        compiled = statement.compile(
            dialect=SQLiteDialect(), column_keys=None if lists else [name for name, _ in shape]
        )
        spread = compiled.construct_expanded_state(lists | plain)
        given: dict[str, _Place] = {name: (name, None) for name, _ in shape}
        given |= {f"{name}_{at + 1}": (name, at) for name, values in lists.items() for at in values}
        places = [given.get(name) or _Constant(spread.parameters[name]) for name in spread.positiontup or ()]
        return spread.statement, tuple(places)


def _value(values: Mapping[str, Any], place: _Place) -> Any:
    if isinstance(place, _Constant):
        return place.value
    name, at = place
    return values[name] if at is None else values[name][at]


def _padded(values: Sequence[Any]) -> list[Any]:
    """Repeat the last value up to a power of two, so that few lengths are ever compiled."""
    filled = list(values)
    return filled + filled[-1:] * ((1 << (len(filled) - 1).bit_length()) - len(filled)) if filled else filled


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
