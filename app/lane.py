"""One thread for the batches of all kinds of work, as long as none of them holds the others up.

Threads that compute at the same time only take Python's lock from each other: two of them cost more together
than one after the other, and every batch is done later. So turns are taken one by one. A turn that waits for
something else, a chain or a database that does not answer, must not hold up the rest: when one has waited for
`PATIENCE_S`, another thread helps until nobody waits so long any more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import structlog

_log = structlog.get_logger("app.lane")
PATIENCE_S = 0.25
Turn: TypeAlias = Callable[[], None]


class Lane:
    """Takes turns in the order they came, by one thread and by `threads_max` at the most."""

    def __init__(self, name: str, *, threads_max: int = 8) -> None:
        self._threads_max = threads_max
        self._pool = ThreadPoolExecutor(threads_max, thread_name_prefix=name)
        self._guard = threading.Lock()
        self._turns: deque[tuple[float, Turn]] = deque()
        self._running = 0
        self._watch: threading.Timer | None = None
        self._closed = False

    def take(self, turn: Turn) -> None:
        """Have a turn taken, from any thread. RuntimeError after `close`."""
        with self._guard:
            if self._closed and self._running == 0:
                raise RuntimeError("the service is ending")
            self._turns.append((time.monotonic(), turn))
            if self._running == 0:
                self._begin()
            elif self._watch is None:
                self._look_later()

    def close(self) -> None:
        """End the threads, once all turns that wait are taken."""
        with self._guard:
            self._closed = True
            if self._watch is not None:
                self._watch.cancel()
        self._pool.shutdown()

    def _begin(self) -> None:
        self._pool.submit(self._run)
        self._running += 1

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            try:
                turn()
            except Exception:  # noqa: BLE001 - the others' turns come all the same
                _log.exception("a turn failed")

    def _next(self) -> Turn | None:
        """Give the oldest turn; None where there is none, or this thread helped and need not any more."""
        with self._guard:
            if not self._turns or (self._running > 1 and not self._late()):
                self._running -= 1
                return None
            return self._turns.popleft()[1]

    def _late(self) -> bool:
        return time.monotonic() - self._turns[0][0] >= PATIENCE_S

    def _look_later(self) -> None:
        if not self._closed:
            self._watch = threading.Timer(PATIENCE_S, self._look)
            self._watch.daemon = True
            self._watch.start()

    def _look(self) -> None:
        """Let another thread help where a turn has waited too long."""
        with self._guard:
            self._watch = None
            if not self._turns or self._closed:
                return
            if self._late() and self._running < self._threads_max:
                self._begin()
            self._look_later()
