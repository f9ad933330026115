"""Write transactions that queue in the process instead of in the database file.

SQLite lets one writer in at a time and makes the others sleep and retry, the unlucky ones for seconds. Locks
in front of it hand over at once, and let the relay and the indexer, for whom many callers wait, go first.
Other databases need none of this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine


class _Gate:
    """Two doors: who may queue passes both, who goes first only the inner one, where at most one other
    stands.
    """

    def __init__(self) -> None:
        self.outer = threading.Lock()
        self.inner = threading.Lock()


_guard: Final = threading.Lock()
_gates: Final[WeakKeyDictionary[Engine, _Gate]] = WeakKeyDictionary()


def _gate(engine: Engine) -> _Gate:
    with _guard:
        return _gates.setdefault(engine, _Gate())


@contextmanager
def write_turn(engine: Engine) -> Iterator[None]:
    """Hold the turn to write on this engine; the application's transactions that write belong inside.

    Not reentrant: never begin a write transaction within another.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    gate = _gate(engine)
    with gate.outer, gate.inner:
        yield


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a write transaction of the ledger's own loops, ahead of the queue; it must be short."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    with _gate(engine).inner, engine.begin() as connection:
        yield connection
