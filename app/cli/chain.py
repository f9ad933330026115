"""`partvault ledger`: how the ledger does, and the embedded chain on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from app.cli.options import ApiKey, DataDir, Json, Url, group
from app.cli.output import fields, plain, say, show

if TYPE_CHECKING:
    from ledger.identity import ChainIdentity

commands = group("ledger", "The ledger: its state, and the embedded chain on its own")


@commands.command()
def status(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Show chain, contract and how far the service has come; exit code 1 where it is not well."""
    from app.cli.connection import connect
    from app.cli.failures import Exit

    with connect(url, api_key, operator=True) as connection:
        found = connection.client.get("/v1/ledger")
    show(as_json, found, _draw)
    if not found["ok"]:
        raise typer.Exit(Exit.REFUSED)


@commands.command()
def serve(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Restore the embedded chain of a data folder and serve its RPC alone, for audits; stop with Ctrl-C."""
    import signal
    import threading

    from app.cli.embedded import embedded_chain
    from app.cli.output import emit_line
    from app.cli.start import service_settings

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with embedded_chain(service_settings(data_dir=data_dir)) as (rpc_url, identity):
        said = _identity(rpc_url, identity)
        if as_json:
            emit_line(said)
        else:
            fields("the embedded chain", said)
            say(f"  audit it: partvault audit --rpc {plain(rpc_url)} --contract {plain(identity.contract)}")
        stop.wait()


def _identity(rpc_url: str, identity: ChainIdentity) -> dict[str, Any]:
    code_hash = identity.code_hash
    return {
        "rpc_url": rpc_url,
        "chain_id": identity.chain_id,
        "contract": identity.contract,
        "code_hash": "0x" + code_hash.hex() if code_hash else None,
    }


def _draw(found: dict[str, Any]) -> None:
    kind = "embedded" if found["embedded"] else "network"
    values = {
        "state": "confirmed" if found["ok"] else found["reason"],
        "chain": f"{found['chain_id']} ({kind})",
        "contract": found["contract"],
        "code": found["code_hash"],
        "head": found["head"],
        "indexed": f"{found['indexed']}, {found['lag_blocks']} behind",
        "under way": f"{found['pending']} operations",
    }
    fields("ledger", values)
