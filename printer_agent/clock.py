"""Time as the agent sees it, so that tests can hand in their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """now: Unix seconds; monotonic: seconds that never go back; pause: wait that many seconds."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def seconds(self) -> int:
        """Give the Unix time in whole seconds."""
        return int(self.now())
