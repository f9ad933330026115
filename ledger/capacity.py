"""How much history the embedded chain is good for, and when it is time to move to a real network.

The bounds are measured (docs/adr/0007), on two processors with other work on them: at 100,000 prints a node
that replayed everything holds 0.34 GiB and needed 40 s, one that loaded a snapshot holds 0.13 GiB and needed
2 to 6 s. At the bounds a start without any usable snapshot takes about two minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EVENTS_MAX: Final = 250_000
"""Events of the contract; a print is one, its outcome another."""
MEMORY_BYTES_MAX: Final = 1 << 30
"""Resident memory of the chain process."""
START_S_MAX: Final = 60.0
"""Seconds the last start took until the chain was verified."""


@dataclass(frozen=True)
class ChainLoad:
    """What the embedded chain carries. None where it is not known."""

    events: int
    memory_bytes: int | None = None
    start_s: float | None = None


def move_on(load: ChainLoad) -> str | None:
    """Return a sentence that says it is time for a real network and why, None while it is not."""
    reasons = []
    if load.events >= EVENTS_MAX:
        reasons.append(f"it holds {load.events:,} events, it is meant for {EVENTS_MAX:,}")
    if load.memory_bytes is not None and load.memory_bytes >= MEMORY_BYTES_MAX:
        reasons.append(f"its process holds {load.memory_bytes >> 20} MiB of {MEMORY_BYTES_MAX >> 20}")
    if load.start_s is not None and load.start_s >= START_S_MAX:
        reasons.append(f"its last start took {load.start_s:.0f} s, more than {START_S_MAX:.0f}")
    if not reasons:
        return None
    return (
        f"it is time to move from the embedded chain to a real network: {'; '.join(reasons)}; "
        "deploy with `partvault ledger deploy` and start a new data folder there"
    )
