"""How the embedded chain of a data folder does, from its files and rows alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.database import open_database
from app.settings import Settings
from ledger.embedded_health import embedded_health
from ledger.identity import load


def folder_health(settings: Settings, contract: str) -> dict[str, Any] | None:
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
        return asdict(embedded_health(database.engine, settings.data_dir / "chain"))
    finally:
        database.close()
