"""Who waits for which operation: threads asleep until the indexer says what became of theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from ledger.outbox import OperationStatus
from ledger.recent import Recent

_RECHECK_S: Final = 0.5


class Waiting:
    """Wakes exactly the threads whose operations became final, and tells who watches one without a thread.

    What another process confirmed is found by asking the database again every half second.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._waiters: dict[str, list[_Waiter]] = {}
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._told: Recent[OperationStatus] = Recent()

    def publish(self, statuses: Sequence[OperationStatus]) -> None:
        """Hand final statuses to who waits for them, and tell who watches."""
        told: list[Callable[[], None]] = []
        with self._guard:
            for status in statuses:
                waiters = self._waiters.get(status.operation_id, ())
                watchers = self._watchers.get(status.operation_id, ())
                if not waiters and not watchers:
                    self._told.put(status.operation_id, status)
                for waiter in waiters:
                    waiter.status = status
                    waiter.ready.set()
                told += watchers
        for tell in told:
            tell()

    def watch(self, operation_id: str, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell` when the operation is published, at once where that was a moment ago; returns what
        takes it back, to be called in any case.

        The thread that publishes calls it: it must be quick and must not raise.
        """
        with self._guard:
            self._watchers.setdefault(operation_id, []).append(tell)
            told = self._told.take(operation_id) is not None
        if told:
            tell()
        return lambda: self._forget(operation_id, tell)

    def watched(self, operation_id: str) -> bool:
        """Tell whether somebody watches an operation, and so will see to what follows from it."""
        with self._guard:
            return operation_id in self._watchers

    def _forget(self, operation_id: str, tell: Callable[[], None]) -> None:
        with self._guard:
            watchers = self._watchers[operation_id]
            watchers.remove(tell)
            if not watchers:
                del self._watchers[operation_id]

    def forget(self) -> None:
        """Forget what was final and nobody waited for: the chain took blocks back."""
        self._told.clear()

    def wait(
        self, operation_id: str, timeout_s: float, ask: Callable[[], OperationStatus], *, fresh: bool = False
    ) -> OperationStatus:
        """Return the operation's status once it is final, or as `ask` tells it when the time is over.

        For a `fresh` operation `ask` is not asked at once: nothing can be known of it but what is published.
        """
        until = self._clock() + timeout_s
        waiter = _Waiter()
        with self._guard:
            told = self._told.take(operation_id)
            if fresh and told is not None:
                return told
            self._waiters.setdefault(operation_id, []).append(waiter)
        try:
            if fresh and timeout_s > 0 and waiter.ready.wait(min(timeout_s, _RECHECK_S)):
                assert waiter.status is not None  # noqa: S101 - it is set before the event
                return waiter.status
            while True:
                status = ask()
                left = until - self._clock()
                if status.final or left <= 0:
                    return status
                if waiter.ready.wait(min(left, _RECHECK_S)) and waiter.status is not None:
                    return waiter.status
        finally:
            with self._guard:
                self._waiters[operation_id].remove(waiter)
                if not self._waiters[operation_id]:
                    del self._waiters[operation_id]


class _Waiter:
    """One thread's place in the queue."""

    __slots__ = ("ready", "status")

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.status: OperationStatus | None = None
