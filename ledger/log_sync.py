"""One sync of SQLite's write-ahead log for many commits (group commit).

A sync costs more than all else in a small transaction. So whoever needs one waits a moment while others are
about to commit (as PostgreSQL's `commit_delay` does), and one of them syncs for all.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

GATHER_S: Final = 0.005
"""How long at most a commit waits for others that queue, to share its sync with them."""
sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""Writes a file's data to the disk, and of its metadata what reading needs; macOS has only all or nothing."""


class LogSync:
    """Syncs a database's write-ahead log for everyone who asked before the sync began.

    A writer calls `expect` when it queues, then either `ask` after its commit or `withdraw`; `announce` comes
    right before the commit. Writers commit one at a time.
    """

    def __init__(self, database: Path, gather_s: float = GATHER_S) -> None:
        self._database = database
        self._log = database.with_name(f"{database.name}-wal")
        self._gather_s = gather_s
        self._changed = threading.Condition()
        self._coming = 0
        self._announced = 0
        self._asked = 0
        self._synced = 0
        self._running = False
        self._failure: OSError | None = None
        self._named: tuple[int, int] | None = None

    def expect(self) -> None:
        """Note that somebody queues who will commit before long."""
        with self._changed:
            self._coming += 1

    def withdraw(self) -> int:
        """Note that who queued will not commit; gives a ticket that waits for nothing."""
        with self._changed:
            self._coming -= 1
            return 0

    def announce(self) -> None:
        """Note that a commit begins: from now on others may read what it writes."""
        with self._changed:
            self._announced = self._asked + 1

    def ask(self) -> int:
        """Ask for a sync of what was committed before this call; gives the ticket to wait with."""
        with self._changed:
            self._coming -= 1
            self._asked += 1
            self._announced = self._asked
            return self._asked

    def latest(self) -> int:
        """Give the ticket of the latest commit that anybody may have read."""
        with self._changed:
            return self._announced

    def wait(self, mine: int, *, patient: bool) -> None:
        """Return once what was committed before a ticket was asked for is on the disk.

        Who is `patient` lets others who queue commit first, a moment at the most, and share one sync. Raises
        OSError if the disk fails, and ever after: a second sync may succeed though the pages of the first are
        lost (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
        """
        with self._changed:
            self._gather(mine, patient=patient)
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

    def _gather(self, mine: int, *, patient: bool) -> None:
        """Sleep while somebody else's sync will cover a ticket."""
        until = time.monotonic() + (self._gather_s if patient else 0.0)
        while self._synced < mine and self._failure is None:
            if self._running or self._asked < mine:
                self._changed.wait()
            elif self._coming and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            else:
                return

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
