"""Time as an argument: seconds since 1970 that never run backwards within a process."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Gives the time; two readings in a row never go down."""

    def time(self) -> float:
        """Give seconds since 1970-01-01T00:00:00Z."""
        ...

    def now(self) -> int:
        """Give whole seconds since 1970-01-01T00:00:00Z."""
        ...


class SystemClock:
    """The machine's clock; a clock turned back stands still until it has caught up."""

    def __init__(self) -> None:
        self._latest = 0.0
        self._lock = threading.Lock()

    def time(self) -> float:
        """Give the latest time seen."""
        with self._lock:
            self._latest = max(self._latest, time.time())
            return self._latest

    def now(self) -> int:
        """Give the latest time seen, in whole seconds."""
        return int(self.time())


def rfc3339(seconds: int) -> str:
    """Write a time as RFC 3339 UTC with a trailing Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
