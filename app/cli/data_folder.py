"""A service's database and key back end, opened beside it on the operator's machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.failures import CliError, Exit
from app.database import Database, open_database
from app.settings import Settings
from storage.keys import KeyBackend, open_keys

_DATA_DIR = "name the data folder with --data-dir or PARTVAULT_DATA_DIR"


@contextmanager
def custody(settings: Settings) -> Iterator[tuple[Database, KeyBackend]]:
    """Open database and key back end while the block lasts; the service may be running.

    Raises CliError where either is not there, instead of making a new one.
    """
    require_database(settings)
    _require_keyring(settings)
    database = open_database(settings.database_location)
    try:
        yield database, open_keys(settings.keys_location)
    finally:
        database.close()


def require_database(settings: Settings) -> None:
    """Refuse a data folder without a database before opening it would make one."""
    if settings.database_url is None and not (settings.data_dir / "partvault.sqlite").exists():
        raise CliError(
            "no_data_folder",
            f"{settings.data_dir.absolute()} holds no inventory",
            _DATA_DIR,
            exit_code=Exit.UNUSABLE,
        )


def _require_keyring(settings: Settings) -> None:
    scheme, _, path = settings.keys_location.partition(":")
    if scheme == "file" and not Path(path).exists():
        raise CliError(
            "no_keyring",
            f"there is no keyring at {path}",
            "restore it from its backup, or correct PARTVAULT_KEYS",
            exit_code=Exit.UNUSABLE,
        )
