"""The embedded chain made again from the first block: from a data folder's rows, or from an exported file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.cli.data_folder import require_database
from app.cli.embedded import identity_of, require_embedded
from app.cli.failures import CliError, Exit
from app.cli.progress import counting
from app.database import Database, open_database
from app.settings import Settings
from ledger.anvil import AnvilOptions, native_binary
from ledger.audit_rows import damaged_transactions
from ledger.berth import Berth
from ledger.export import ExportFault, read_head, rebuild, relay_of
from ledger.identity import IdentityMismatch
from ledger.replay import ReplayMismatch, stored_blocks
from ledger.restoration import Restoration
from ledger.web3_chain import Web3Chain


def rebuild_folder(settings: Settings, *, quiet: bool) -> dict[str, Any]:
    """Replay every stored transaction into a fresh node, without snapshots, and compare everything stored.

    The service may be running. Raises CliError, exit 1, naming the first row at fault.
    """
    require_database(settings)
    require_embedded(settings)
    database = open_database(settings.database_location)
    try:
        return _rebuild_rows(settings, database, quiet=quiet)
    except (ReplayMismatch, IdentityMismatch) as fault:
        raise _at_fault(fault, getattr(fault, "row", "ledger_chain")) from None
    finally:
        database.close()


def _rebuild_rows(settings: Settings, database: Database, *, quiet: bool) -> dict[str, Any]:
    identity, engine = identity_of(settings), database.engine
    blocks, relay = stored_blocks(engine), relay_of(engine)
    options = AnvilOptions(identity.chain_id, identity.genesis_time or 0)
    with _berth(settings, options) as berth, _blocks(2 * blocks, quiet=quiet) as advance:
        done = Restoration(engine, identity, relay, None, advance).run(berth, blocks)
        head = Web3Chain.local(lambda: done.process.socket_path).head()
    with database.read() as session:
        damaged = next(damaged_transactions(session.connection()), None)
    if damaged is not None:
        name, column, problem = damaged
        raise ReplayMismatch(f"ledger_transactions {name}.{column}", problem)
    return _said(identity.chain_id, identity.contract, blocks, head.hash, done.seconds)


def rebuild_file(settings: Settings, path: Path, *, quiet: bool) -> dict[str, Any]:
    """Make the chain of an exported file in a fresh node; CliError, exit 1, names the first line at fault."""
    began = time.monotonic()
    try:
        said = read_head(path)
        options = AnvilOptions(said.chain_id, said.genesis_time)
        with _berth(settings, options) as berth, _blocks(said.blocks, quiet=quiet) as advance:
            running = berth.spawn()
            head = rebuild(Web3Chain.local(lambda: running.socket_path), path, said, advance)
    except ExportFault as fault:
        raise _at_fault(fault, fault.row) from None
    return _said(said.chain_id, said.contract, said.blocks, head.hash, time.monotonic() - began)


@contextmanager
def _berth(settings: Settings, options: AnvilOptions) -> Iterator[Berth]:
    """Give a place of its own for a node, which is gone after the block."""
    with TemporaryDirectory(prefix="partvault-rebuild-") as folder:
        berth = Berth(native_binary(settings.anvil_program()), Path(folder), options)
        try:
            yield berth
        finally:
            berth.retire()


@contextmanager
def _blocks(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    with counting("rebuilding the chain", total, quiet=quiet) as advance:
        yield advance


def _said(chain_id: int, contract: str, blocks: int, head: bytes, seconds: float) -> dict[str, Any]:
    return {
        "ok": True,
        "chain_id": chain_id,
        "contract": contract,
        "blocks": blocks,
        "head": "0x" + head.hex(),
        "seconds": round(seconds, 3),
    }


def _at_fault(fault: ReplayMismatch | IdentityMismatch | ExportFault, row: str) -> CliError:
    return CliError(
        str(fault.kind), str(fault), exit_code=Exit.REFUSED, reasons=[{"row": row, "message": str(fault)}]
    )
