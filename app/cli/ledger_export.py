"""`partvault ledger export`: the embedded chain as one file that makes it again anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from app.cli.data_folder import require_database
from app.cli.embedded import identity_of, require_embedded
from app.cli.failures import CliError, Exit
from app.cli.progress import counting
from app.database import open_database
from app.settings import Settings
from ledger.export import export_lines, indexed_blocks
from ledger.replay import ReplayMismatch


def export(settings: Settings, path: Path, *, quiet: bool) -> dict[str, Any]:
    """Write the indexed chain to a file, whole or not at all; the service may be running.

    Raises CliError, exit 1, where a transaction is missing.
    """
    require_database(settings)
    require_embedded(settings)
    identity = identity_of(settings)
    database = open_database(settings.database_location)
    draft = path.with_name(path.name + ".new")
    try:
        blocks, size = indexed_blocks(database.engine), 0
        with draft.open("wb") as file, counting("exporting blocks", blocks + 2, quiet=quiet) as advance:
            for line in export_lines(database.engine, identity, blocks):
                size += file.write(line)
                advance(1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except ReplayMismatch as fault:
        row = {"row": fault.row, "message": str(fault)}
        raise CliError(str(fault.kind), str(fault), exit_code=Exit.REFUSED, reasons=[row]) from None
    finally:
        draft.unlink(missing_ok=True)
        database.close()
    about = {"chain_id": identity.chain_id, "contract": identity.contract}
    return {"path": str(path), "bytes": size, "blocks": blocks, **about}
