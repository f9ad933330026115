"""Deliveries to the embedded chain in a thread of their own, so that the relay prepares the next batch while
the node mines the one before.

The node makes one block of each transaction, in the order of nonces. So after a delivery that failed nothing
more is delivered until the relay has brought what is missing to the chain and calls `resume`; all of it is
stored, nothing depends on this memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

PARCELS_MAX: Final = 2
"""Transactions signed and not yet mined: one that is being delivered, one that is ready."""
_IDLE_S: Final = 5.0


class Courier:
    """Delivers one transaction after the other. `ready` is called when there is one to deliver, `delivered`
    after each, whatever became of it.

    `hand`, `resume` and the questions belong to the relay's thread, `step` to the courier's own.
    """

    def __init__(self, ready: Callable[[], None], delivered: Callable[[], None]) -> None:
        self._ready = ready
        self._delivered = delivered
        self._guard = threading.Lock()
        self._parcels: deque[tuple[int, Callable[[], bool]]] = deque()
        self._failed = False

    @property
    def failed(self) -> bool:
        """Whether a delivery failed; then nothing is under way until `resume`."""
        return self._failed

    def nonces(self) -> list[int]:
        """Return the nonces not yet delivered, oldest first."""
        with self._guard:
            return [nonce for nonce, _ in self._parcels]

    def hand(self, nonce: int, deliver: Callable[[], bool]) -> None:
        """Have a transaction delivered after those before it; `deliver` returns whether the node took it."""
        with self._guard:
            if self._failed:
                return
            self._parcels.append((nonce, deliver))
        self._ready()

    def resume(self) -> None:
        """Deliver again, now that every nonce handed over before is on the chain."""
        self._failed = False

    def step(self) -> float:
        """Deliver the oldest; return how long to sleep if nobody calls. Raises what `deliver` does."""
        with self._guard:
            if not self._parcels:
                return _IDLE_S
            _, deliver = self._parcels[0]
        taken = False
        try:
            taken = deliver()
        finally:
            with self._guard:
                if taken:
                    self._parcels.popleft()
                else:
                    self._failed = True
                    self._parcels.clear()
            self._delivered()
        return 0.0
