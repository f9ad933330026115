"""A thread that does a step again and again while there is something to do, and sleeps until woken when there
is not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from ledger.chain import ChainError
from ledger.errors import LedgerError

_PAUSE_S: Final = 0.02
_PAUSE_MAX_S: Final = 2.0
_log = logging.getLogger(__name__)


class Loop:
    """Runs `step` in a thread of its own.

    `step` returns how long it may sleep; zero for not at all. A failure of the node or the database is
    written down and tried again with growing pauses; `failure` holds the newest until a step succeeds. Any
    other error ends the thread, and `failure` says so: it must not be hidden.
    """

    def __init__(self, name: str, step: Callable[[], float]) -> None:
        self._step = step
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"partvault-{name}", daemon=True)
        self.failure: Exception | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Have the next step done now."""
        self._wake.set()

    def stop(self) -> None:
        """Let the step under way end, then the thread; harmless before `start`."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = _PAUSE_S
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                sleep = self._step()
                self.failure, pause = None, _PAUSE_S
            except (LedgerError, SQLAlchemyError) as problem:
                self._note(problem)
                self._stopping.wait(pause)
                sleep, pause = 0.0, min(pause * 2, _PAUSE_MAX_S)
            except Exception as problem:
                self.failure = problem
                _log.exception("%s ended by an error of its own", self._thread.name)
                raise
            if sleep > 0:
                self._wake.wait(sleep)

    def _note(self, problem: Exception) -> None:
        level = logging.INFO if isinstance(problem, ChainError) else logging.WARNING
        if type(problem) is not type(self.failure):
            _log.log(level, "%s: %s", self._thread.name, problem)
        self.failure = problem
