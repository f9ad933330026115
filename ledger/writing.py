"""Write transactions that queue in the process instead of in the database file, and reach the disk together.

SQLite lets one writer in at a time and makes the others sleep and retry, the unlucky ones for seconds. Locks
in front of it hand over at once, and let the relay and the indexer, for whom many callers wait, go first.

Syncing the disk takes longer than all else in a small transaction, so it happens after the turn is handed
over (group commit, as servers do it): a transaction of a turn is committed to the write-ahead log unsynced
(`synchronous=NORMAL`), and whoever had the turn returns only after one sync of the log that began after the
commit, shared with all who committed meanwhile; or it leaves that to whoever syncs next. A sync covers
everything before it in the log, so what a turn read from an earlier one is never less durable than what it
wrote. Transactions outside of turns sync for themselves as the engine was set up. Other databases need none
of this.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from ledger.log_sync import LogSync

_LEVEL: Final = "partvault_sync_level"
_NORMAL: Final = 1


@dataclass
class _Level:
    """How a connection syncs: as the engine set it up (`own`), and `now`."""

    own: int
    now: int
    shares: bool

    @classmethod
    def of(cls, driver: Any) -> _Level:
        """Read what the engine set up; only a write-ahead log can be synced later."""
        ((own,),) = driver.execute("PRAGMA synchronous").fetchall()
        ((mode,),) = driver.execute("PRAGMA journal_mode").fetchall()
        return cls(own, own, shares=mode == "wal" and own > _NORMAL)

    def set(self, driver: Any, *, unsynced: bool) -> None:
        """Choose for the transactions to come."""
        wanted = _NORMAL if unsynced and self.shares else self.own
        if self.now != wanted:
            driver.execute(f"PRAGMA synchronous={wanted}")
            self.now = wanted


class _Gate:
    """Two doors: who may queue passes both, who goes first only the inner one, where at most one other
    stands.
    """

    def __init__(self, engine: Engine) -> None:
        self.outer = threading.Lock()
        self.inner = threading.Lock()
        self.holder: int | None = None
        path = engine.url.database or ":memory:"
        named = path != ":memory:" and not path.startswith("file:")
        self.sync = LogSync(Path(path).absolute()) if named else None
        if self.sync is not None:
            event.listen(engine, "checkout", self._choose_sync)
            event.listen(engine, "commit", self._announce)

    @contextmanager
    def turn(
        self, outer: AbstractContextManager[Any], *, patient: bool, settle: bool = True
    ) -> Iterator[None]:
        """Pass the doors, and once they are free again wait until what was written is on the disk, unless
        somebody else is to `settle` it.
        """
        ticket = 0
        if self.sync is not None:
            self.sync.expect()
        try:
            with outer, self.inner:
                self.holder = threading.get_ident()
                try:
                    yield
                finally:
                    self.holder = None
                    if self.sync is not None:
                        ticket = self.sync.ask()
        finally:
            if self.sync is not None:
                ticket = ticket or self.sync.withdraw()
                if settle:
                    self.sync.wait(ticket, patient=patient)

    def settle(self) -> None:
        """Wait until whatever turns have committed by now is on the disk; within a turn, for nothing."""
        if self.sync is not None and not self.held:
            self.sync.wait(self.sync.latest(), patient=True)

    @property
    def held(self) -> bool:
        """Whether this thread has the turn."""
        return self.holder == threading.get_ident()

    def _announce(self, _connection: Connection) -> None:
        """Tell readers of a commit before they can see what it wrote."""
        if self.sync is not None and self.held:
            self.sync.announce()

    def _choose_sync(self, driver: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        """Let commits of a turn leave the sync to the turn's end, all others sync as the engine says."""
        level = record.info.get(_LEVEL)
        if level is None:
            level = record.info[_LEVEL] = _Level.of(driver)
        level.set(driver, unsynced=self.held)


_guard: Final = threading.Lock()
_gates: Final[WeakKeyDictionary[Engine, _Gate]] = WeakKeyDictionary()


def _gate(engine: Engine) -> _Gate:
    with _guard:
        found = _gates.get(engine)
        if found is None:
            found = _gates[engine] = _Gate(engine)
        return found


@contextmanager
def write_turn(engine: Engine, *, settle: bool = True) -> Iterator[None]:
    """Hold the turn to write on this engine; the application's transactions that write belong inside.

    What they committed is on the disk when this returns, or without `settle` when the next sync has been: a
    later turn's, a settled reading's or `settle`'s. Not reentrant: never begin a write transaction within
    another.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    gate = _gate(engine)
    with gate.turn(gate.outer, patient=True, settle=settle):
        yield


@contextmanager
def settled_reading(engine: Engine) -> Iterator[None]:
    """Read inside; when this returns, whatever a turn had committed by then is on the disk.

    So nothing is answered that a power cut could take back. Without a commit or sync under way it costs
    nothing. Within a turn it does nothing: what the turn read and wrote settles at its end.
    """
    try:
        yield
    finally:
        settle(engine)


def settle(engine: Engine) -> None:
    """Wait until whatever turns have committed by now is on the disk; within a turn, for nothing."""
    if engine.dialect.name == "sqlite":
        _gate(engine).settle()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a write transaction of the ledger's own loops, ahead of the queue; it must be short."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    gate = _gate(engine)
    with gate.turn(nullcontext(), patient=False), engine.begin() as connection:
        yield connection
