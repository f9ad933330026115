"""Write transactions that queue in the process instead of in the database file, and reach the disk together.

SQLite lets one writer in at a time and makes the others sleep and retry, the unlucky ones for seconds. Locks
in front of it hand over at once, and let the relay and the indexer, for whom many callers wait, go first.

Syncing the disk takes longer than all else in a small transaction, so it happens after the turn is handed
over (group commit, as servers do it): a transaction of a turn is committed to the write-ahead log unsynced
(`synchronous=NORMAL`), and whoever had the turn returns only after one sync of the log that began after the
commit, shared with all who committed meanwhile. A sync covers everything before it in the log, so what a turn
read from an earlier one is never less durable than what it wrote. Transactions outside of turns sync for
themselves as the engine was set up. Other databases need none of this.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import ConnectionPoolEntry

_LEVEL: Final = "partvault_sync_level"
_NORMAL: Final = 1
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""Writes a file's data to the disk, and of its metadata what reading needs; macOS has only all or nothing."""


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


class _SharedSync:
    """Syncs a database's log for everyone who asked before the sync began."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._log = database.with_name(f"{database.name}-wal")
        self._changed = threading.Condition()
        self._asked = 0
        self._synced = 0
        self._running = False
        self._failure: OSError | None = None
        self._named: tuple[int, int] | None = None

    def ask(self) -> int:
        """Ask for a sync of what was committed before this call; gives the ticket to wait with."""
        with self._changed:
            self._asked += 1
            return self._asked

    def latest(self) -> int:
        """Give the ticket of the latest commit that anybody may have read."""
        with self._changed:
            return self._asked

    def wait(self, mine: int) -> None:
        """Return once what was committed before a ticket was asked for is on the disk.

        Raises OSError if the disk fails, and ever after: a second sync may succeed though the pages of the
        first are lost (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
        """
        with self._changed:
            while self._running and self._synced < mine:
                self._changed.wait()
            if self._synced >= mine:
                return
            if self._failure is not None:
                raise OSError(f"{self._log} could not be synced before: {self._failure}") from self._failure
            self._running, covered = True, self._asked
        try:
            self._sync()
        except OSError as failure:
            self._failure, covered = failure, 0
            raise
        finally:
            with self._changed:
                self._running, self._synced = False, max(self._synced, covered)
                self._changed.notify_all()

    def _sync(self) -> None:
        """Sync the log; there is none where the database closed meanwhile, which syncs all of it."""
        try:
            log = os.open(self._log, os.O_RDONLY)
        except FileNotFoundError:
            if self._database.exists():
                return
            raise
        try:
            sync_data(log)
            self._sync_name(os.fstat(log))
        finally:
            os.close(log)

    def _sync_name(self, log: os.stat_result) -> None:
        """Sync the folder once for every log that is begun: SQLite leaves that to its own first sync."""
        place = (log.st_dev, log.st_ino)
        if place == self._named:
            return
        folder = os.open(self._log.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._named = place


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
        self.sync = _SharedSync(Path(path).absolute()) if named else None
        if self.sync is not None:
            event.listen(engine, "checkout", self._choose_sync)

    @contextmanager
    def turn(self, doors: Sequence[threading.Lock]) -> Iterator[None]:
        """Pass the doors, and once they are free again wait until what was written is on the disk."""
        ticket = 0
        try:
            with contextlib.ExitStack() as passed:
                for door in doors:
                    passed.enter_context(door)
                self.holder = threading.get_ident()
                try:
                    yield
                finally:
                    self.holder = None
                    if self.sync is not None:
                        ticket = self.sync.ask()
        finally:
            if self.sync is not None:
                self.sync.wait(ticket)

    def _choose_sync(self, driver: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        """Let commits of a turn leave the sync to the turn's end, all others sync as the engine says."""
        level = record.info.get(_LEVEL)
        if level is None:
            level = record.info[_LEVEL] = _Level.of(driver)
        level.set(driver, unsynced=self.holder == threading.get_ident())


_guard: Final = threading.Lock()
_gates: Final[WeakKeyDictionary[Engine, _Gate]] = WeakKeyDictionary()


def _gate(engine: Engine) -> _Gate:
    with _guard:
        found = _gates.get(engine)
        if found is None:
            found = _gates[engine] = _Gate(engine)
        return found


@contextmanager
def write_turn(engine: Engine) -> Iterator[None]:
    """Hold the turn to write on this engine; the application's transactions that write belong inside.

    What they committed is on the disk when this returns. Not reentrant: never begin a write transaction
    within another.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    gate = _gate(engine)
    with gate.turn((gate.outer, gate.inner)):
        yield


@contextmanager
def settled_reading(engine: Engine) -> Iterator[None]:
    """Read inside; when this returns, whatever a turn had committed by then is on the disk.

    So nothing is answered that a power cut could take back. Without a sync under way it costs nothing.
    """
    try:
        yield
    finally:
        if engine.dialect.name == "sqlite":
            sync = _gate(engine).sync
            if sync is not None:
                sync.wait(sync.latest())


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a write transaction of the ledger's own loops, ahead of the queue; it must be short."""
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            yield connection
        return
    gate = _gate(engine)
    with gate.turn((gate.inner,)), engine.begin() as connection:
        yield connection
