"""A bell between threads of one process: rung when there is work, so that nobody has to wait for the next
poll.
"""

from __future__ import annotations

import threading


class Signal:
    """Wakes whoever waits; a ring that nobody heard is kept for the next to wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ring(self) -> None:
        """Wake a waiter now."""
        self._event.set()

    def wait(self, timeout_s: float) -> None:
        """Wait for a ring, `timeout_s` at the most."""
        self._event.wait(timeout_s)
        self._event.clear()
