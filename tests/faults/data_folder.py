"""The check of a data folder whose service may be running, or dead."""

from __future__ import annotations

from pathlib import Path

from app.clock import SystemClock
from app.database import open_database
from app.fsck.check import Fsck, Options
from app.fsck.report import Report
from storage.backends import open_objects
from storage.keys import open_keys
from storage.vault import Vault


def checked(data_dir: Path, *, repair: bool = False) -> Report:
    """The check as its operator makes it, taking the youngest object for an orphan."""
    database = open_database(f"sqlite:///{data_dir / 'partvault.sqlite'}")
    try:
        objects = open_objects(f"local:{data_dir / 'objects'}")
        vault = Vault(objects, open_keys(f"file:{data_dir / 'keyring.json'}"))
        return Fsck(database, vault, SystemClock(), Options(grace_s=0, repair=repair)).run()
    finally:
        database.close()
