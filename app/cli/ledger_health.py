"""How the embedded chain of a data folder does, from its files and rows alone."""

from __future__ import annotations

import time
from typing import Any

from app.database import open_database
from app.settings import Settings
from ledger.anvil import noted_memory
from ledger.capacity import EVENTS_MAX, ChainLoad, move_on
from ledger.embedded import SNAPSHOTS, last_start, stored_events
from ledger.identity import load
from ledger.snapshot import Shelf, SnapshotUnfit


def embedded_health(settings: Settings, contract: str) -> dict[str, Any] | None:
    """Return what the chain of a contract carries, its newest snapshot and last start, and a sentence where
    it is time to move on; None where this machine does not have that chain's data folder.
    """
    if settings.database_url is None and not (settings.data_dir / "partvault.sqlite").exists():
        return None
    database = open_database(settings.database_location)
    try:
        with database.engine.connect() as connection:
            identity = load(connection)
        if identity is None or not identity.embedded or identity.contract != contract:
            return None
        events = stored_events(database.engine)
    finally:
        database.close()
    directory = settings.data_dir / "chain"
    started, memory = last_start(directory), noted_memory(directory)
    burden = ChainLoad(events, memory, None if started is None else started["seconds"])
    return {
        "events": events,
        "events_max": EVENTS_MAX,
        "memory_bytes": memory,
        "last_start": started,
        "snapshot": _snapshot(Shelf(directory / SNAPSHOTS)),
        "move_on": move_on(burden),
    }


def _snapshot(shelf: Shelf) -> dict[str, Any] | None:
    for block in shelf.blocks():
        try:
            manifest = shelf.describe(block)
        except SnapshotUnfit:
            continue
        age = max(int(time.time()) - manifest.taken_at, 0)
        return {"block": manifest.block, "bytes": manifest.state_bytes, "age_s": age}
    return None
