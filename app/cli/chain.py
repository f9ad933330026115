"""`partvault ledger`: how the ledger does, the embedded chain on its own, a ledger on a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import ApiKey, DataDir, Json, Url, group
from app.cli.output import fields, plain, say, show

if TYPE_CHECKING:
    from ledger.identity import ChainIdentity

commands = group("ledger", "The ledger: its state, the embedded chain on its own, one on a network")


@commands.command()
def status(url: Url = None, api_key: ApiKey = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show chain, contract and how far the service has come; exit code 1 where it is not well.

    Of several RPC endpoints it shows which are outvoted, since when and how often. On the operator's machine
    also what the embedded chain carries, its snapshot and last start, and when it is time to move to a real
    network.
    """
    from app.cli.connection import connect
    from app.cli.failures import Exit
    from app.cli.ledger_health import folder_health
    from app.cli.start import service_settings

    with connect(url, api_key, operator=True) as connection:
        found = connection.client.get("/v1/ledger")
        folder = data_dir or connection.settings.data_dir
    if found["embedded"]:
        found["embedded_chain"] = folder_health(service_settings(data_dir=folder), found["contract"])
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


@commands.command()
def replay(
    file: Annotated[
        Path | None,
        typer.Argument(help="A file of `ledger export`; the data folder's rows without", dir_okay=False),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Rebuild the embedded chain from its first block, without snapshots, and compare everything with it.

    From the data folder, or from an exported FILE alone. Exit code 0 when all agrees, 1 naming the first row
    or line at fault, 2 where it could not be done.
    """
    from app.cli.ledger_rebuild import rebuild_file, rebuild_folder
    from app.cli.start import service_settings

    settings = service_settings(data_dir=data_dir)
    if file is None:
        said = rebuild_folder(settings, quiet=as_json)
    else:
        said = rebuild_file(settings, file, quiet=as_json)
    show(as_json, said, _draw_rebuilt)


@commands.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write", dir_okay=False)],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write the embedded chain to one FILE from which anybody makes the identical chain with plain anvil.

    Exit code 1 where a stored transaction is missing, 2 where it could not be done.
    """
    from app.cli.ledger_export import export as run
    from app.cli.start import service_settings

    said = run(service_settings(data_dir=data_dir), file, quiet=as_json)
    show(as_json, said, _draw_export)


@commands.command()
def deploy(
    rpc: Annotated[str, typer.Option(help="JSON-RPC endpoint of the network")],
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the paying account's key in hex, mode 0600 [PARTVAULT_RELAY_KEY]",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    confirmations: Annotated[
        int | None, typer.Option(min=1, help="Blocks that make it final [PARTVAULT_CONFIRMATIONS, 1]")
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=0, help="Seconds to wait for blocks")] = 300.0,
    as_json: Json = False,
) -> None:
    """Deploy the print ledger on a network and print the settings to use.

    Run again with the same key, it finds what it deployed. Exit code 1 where the network lacks something or
    the account cannot pay, 2 where nothing answers, 3 where a transaction is not final yet.
    """
    from app.cli.ledger_deploy import deploy as run
    from app.cli.start import service_settings

    settings = service_settings()
    deep = confirmations or settings.confirmations
    said = run(settings, rpc, key_file, confirmations=deep, timeout_s=timeout_s, quiet=as_json)
    show(as_json, said, _draw_deployed)


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
        "final": f"up to block {found['finalised']}",
        "under way": f"{found['pending']} operations",
    }
    chain = found.get("embedded_chain")
    fields("ledger", values | (_embedded(chain) if chain else {}))
    if chain and chain["move_on"]:
        say(f"[yellow]! {plain(chain['move_on'])}[/]")
    for endpoint in found.get("endpoints", []):
        _draw_endpoint(endpoint)


def _draw_endpoint(found: dict[str, Any]) -> None:
    name, trouble = plain(found["endpoint"]), found["trouble"]
    vote = "has a vote" if trouble is None else f"[red]has no vote[/]: {plain(trouble)}"
    say(f"  endpoint {name} {vote}")
    if found["outvoted"]:
        times = "once" if found["outvoted"] == 1 else f"{found['outvoted']} times"
        when = f"since {found['outvoted_since']}, last at {found['outvoted_last']}"
        say(f"[yellow]! {name} was outvoted {times} {when}[/]")
        say(f"  it {plain(found['said'])}")


def _embedded(chain: dict[str, Any]) -> dict[str, str]:
    memory, snapshot, start = chain["memory_bytes"], chain["snapshot"], chain["last_start"]
    way = "a full replay" if not start or start["snapshot"] is None else f"snapshot {start['snapshot']}"
    return {
        "carries": f"{chain['events']} events of {chain['events_max']}",
        "memory": "not known" if memory is None else f"{memory >> 20} MiB",
        "snapshot": f"block {snapshot['block']}, {_age(snapshot['age_s'])} old" if snapshot else "none yet",
        "last start": f"{start['seconds']:.1f} s by {way}" if start else "not known",
    }


def _age(seconds: int) -> str:
    """Write an age in the unit in which people would tell it."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _draw_rebuilt(said: dict[str, Any]) -> None:
    say(f"[green]✓ {said['blocks']} blocks rebuilt from the first, everything agrees[/]")
    values = {"chain": said["chain_id"], "contract": said["contract"], "head": said["head"]}
    fields("the rebuilt chain", {**values, "took": f"{said['seconds']:.1f} s"})


def _draw_export(said: dict[str, Any]) -> None:
    values = {"chain": said["chain_id"], "contract": said["contract"], "blocks": said["blocks"]}
    fields(f"{said['path']}  {said['bytes']} bytes", values)
    say(f"  rebuild it: partvault ledger replay {plain(said['path'])}")


def _draw_deployed(said: dict[str, Any]) -> None:
    where = f"in block {said['block']}" if said["deployed_now"] else "by this account before"
    verified = "by the precompile at 0x100" if said["precompile"] else "in Solidity, without a precompile"
    values = {
        "chain": said["chain_id"],
        "contract": said["contract"],
        "code": said["code_hash"],
        "deployed": where,
        "P-256": verified,
        "a print": f"at most {said['print_gas']} gas, {said['print_fee_ether']} ether at the fees of now",
    }
    fields("the print ledger", values)
    for name, value in said["settings"].items():
        say(f"  {name}={plain(value)}")
    say("  and PARTVAULT_RELAY_KEY, the key of an account that pays")
