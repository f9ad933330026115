"""How the embedded chain of a data folder does, from its files and rows alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ledger.anvil import noted_memory
from ledger.capacity import EVENTS_MAX, ChainLoad, move_on
from ledger.embedded import SNAPSHOTS, last_start, stored_events
from ledger.snapshot import Shelf, SnapshotUnfit


@dataclass(frozen=True)
class SnapshotHealth:
    """The newest snapshot: of which block, how large, how old."""

    block: int
    bytes: int
    age_s: int


@dataclass(frozen=True)
class EmbeddedHealth:
    """What the chain carries and how it came back the last time; `move_on` is a sentence where it is time to
    move to a real network. None where a thing is not known or not there.
    """

    events: int
    events_max: int
    memory_bytes: int | None
    last_start: dict[str, Any] | None
    snapshot: SnapshotHealth | None
    move_on: str | None


def embedded_health(engine: Engine, directory: Path) -> EmbeddedHealth:
    """Return how the chain in a directory does whose rows an engine reaches; the chain need not run."""
    events, started, memory = stored_events(engine), last_start(directory), noted_memory(directory)
    return EmbeddedHealth(
        events=events,
        events_max=EVENTS_MAX,
        memory_bytes=memory,
        last_start=started,
        snapshot=_newest(Shelf(directory / SNAPSHOTS)),
        move_on=move_on(ChainLoad(events, memory, None if started is None else started["seconds"])),
    )


def _newest(shelf: Shelf) -> SnapshotHealth | None:
    for block in shelf.blocks():
        try:
            manifest = shelf.describe(block)
        except SnapshotUnfit:
            continue
        age_s = max(int(time.time()) - manifest.taken_at, 0)
        return SnapshotHealth(manifest.block, manifest.state_bytes, age_s)
    return None
