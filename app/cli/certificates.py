"""`partvault print certificate` and `partvault certificate verify`: the proof that goes with a part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import ApiKey, Json, Url, group
from app.cli.output import console, emit, fields, plain, say, show, table

if TYPE_CHECKING:
    from ledger.certificate_audit import Expected, Verification

commands = group("certificate", "Certificates of prints, verified by whoever holds one")


def certificate(
    print_id: Annotated[str, typer.Argument(help="The print (job_…)")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File for the certificate (JSON)", dir_okay=False)
    ] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="File for the page to go with the part", dir_okay=False)
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Get the certificate of a print whose outcome is on the ledger, for whoever gets the part."""
    from app.cli.connection import connect
    from app.cli.downloads import save
    from ledger.certificate import parse
    from ledger.certificate_audit import verify
    from ledger.commitment import canonical_json

    with connect(url, api_key) as connection:
        path = f"/v1/prints/{print_id}/certificate"
        found = connection.client.get(path)
        content = canonical_json(found)
        if pdf is not None:
            save(connection.client, f"{path}.pdf", pdf, quiet=as_json)
    if output is not None:
        output.write_bytes(content)
    if as_json:
        emit(found)
        return
    says = _says(verify(parse(content)))
    if says is not None:
        _draw_print(says)
    for written in filter(None, (output, pdf)):
        say(f"  written: {plain(written)}")
    say("  whoever has it verifies it:  partvault certificate verify FILE --rpc URL")


@commands.command("verify")
def verify_(
    file: Annotated[Path, typer.Argument(help="The certificate (JSON)", exists=True, dir_okay=False)],
    rpc: Annotated[str | None, typer.Option(help="JSON-RPC endpoint of a node of the chain")] = None,
    contract: Annotated[str | None, typer.Option(help="Address the print ledger must have")] = None,
    owner: Annotated[str | None, typer.Option(help="Account the part's owner must have")] = None,
    service: Annotated[
        str | None, typer.Option("--url", help="Have a service check it, instead of a node and this machine")
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a certificate: every signature, proof and commitment in it; with --rpc that the chain has it.

    It needs nothing of the service. Without --rpc nothing can be said of whether its blocks are the chain's;
    without --contract and --owner, not whose ledger and whose part it is. Exit code 0 only when all agrees, 1
    where something does not, 2 where nothing could be said.
    """
    from app.cli.failures import Exit, usage

    if service is not None and (rpc or contract or owner):
        raise usage("--url stands alone: the service checks against its own ledger", "leave the others out")
    content = _read(file)
    if service is not None:
        answer = _ask(service, content)
    else:
        from ledger.address import checksum_address
        from ledger.certificate_audit import Expected

        expected = Expected(
            contract=checksum_address("contract", contract) if contract else None,
            owner=checksum_address("owner", owner) if owner else None,
        )
        answer = _judge(content, rpc, expected, quiet=as_json)
    show(as_json, answer, _draw)
    if not answer["ok"]:
        raise typer.Exit(Exit.REFUSED)


def _read(path: Path) -> dict[str, Any]:
    """Read a certificate; CliError: exit 2 where it is no JSON, exit 1 where its outline was changed."""
    from app.cli.failures import CliError, Exit
    from ledger.certificate import parse
    from ledger.evidence import EvidenceError

    try:
        return parse(path.read_bytes())
    except EvidenceError as error:
        code = Exit.UNUSABLE if error.field == "file" else Exit.REFUSED
        remedy = "ask for it again: the provider has it by `partvault print certificate job_… -o FILE`"
        raise CliError("certificate", f"{path}: {error}", remedy, exit_code=code) from None


def _judge(content: dict[str, Any], rpc: str | None, expected: Expected, *, quiet: bool) -> dict[str, Any]:
    from ledger.certificate_audit import verify

    if rpc is None:
        return _answer(verify(content, expected=expected), chain_asked=False)
    from app.cli.audit_remote import require_answer
    from app.cli.progress import waiting
    from ledger.web3_chain import Web3Chain

    chain = Web3Chain.http(rpc)
    require_answer(chain, rpc)
    with waiting(f"asking the chain at {rpc}", quiet=quiet):
        return _answer(verify(content, chain, expected), chain_asked=True)


def _ask(url: str, content: dict[str, Any]) -> dict[str, Any]:
    """Have the service check it; what the certificate says is read here."""
    from app.cli.service_client import ServiceClient
    from app.client_settings import ClientSettings
    from ledger.certificate_audit import verify

    with ServiceClient(ClientSettings.read(url=url), None) as client:
        checked = client.post(f"/v1/verification/{content['print']}", content)
    verified = verify(content)
    standing = {name: checked[name] for name in ("licence_revoked", "printer_retired")}
    says = _says(verified) if checked["ok"] else None
    return {"ok": checked["ok"], "checks": checked["checks"], "chain_asked": True, **standing, "says": says}


def _answer(verified: Verification, *, chain_asked: bool) -> dict[str, Any]:
    """What is shown of a verification; what the certificate says only where it can be trusted."""
    standing = verified.standing
    return {
        "ok": verified.ok,
        "checks": [
            {"check": str(check), "ok": not found, "findings": [each.to_json() for each in found]}
            for check, found in verified.found.items()
        ],
        "chain_asked": chain_asked,
        "licence_revoked": None if standing is None else standing.licence_revoked,
        "printer_retired": None if standing is None else standing.printer_retired,
        "says": _says(verified) if verified.ok else None,
    }


def _says(verified: Verification) -> dict[str, Any] | None:
    says = verified.says
    if says is None:
        return None
    return {
        "print": "0x" + says.print.hex(),
        "owner": says.licence.owner,
        "provider": says.licence.provider,
        "licence": "0x" + says.licence_hash.hex(),
        "printer": "0x" + says.printer.hex(),
        "sequence": says.sequence,
        "prints": says.licence.prints,
        "place": says.place,
        "counted_in_block": says.counted.number,
        "reported_in_block": says.reported.number,
        "report": says.report.to_json(),
    }


def _draw(answer: dict[str, Any]) -> None:
    for each in answer["checks"]:
        say(f"{'[green]✓[/]' if each['ok'] else '[red]✗[/]'} {plain(each['check'])}")
        for finding in each["findings"]:
            say(f"    [red]{plain(finding['row'])} {plain(finding['field'])}: {plain(finding['problem'])}[/]")
    says = answer["says"]
    if says is not None:
        _draw_print(says)
    if answer["licence_revoked"]:
        say("[yellow]the licence was revoked since; the print stands[/]")
    if not answer["ok"]:
        say("[red]✗ do not trust this certificate[/]")
    elif answer["chain_asked"]:
        say("[green]✓ the certificate is genuine: compare serial number and owner with what you know[/]")
    else:
        say("[yellow]✓ it agrees with itself: --rpc URL asks the chain whether it has these blocks[/]")


def _draw_print(says: dict[str, Any]) -> None:
    report = says["report"]
    machine, material = report["machine"], report["material"]
    values = {
        "serial": ", ".join(report["serials"]) or None,
        "part": f"{report['part']['file']}, revision {report['part']['revision']}",
        "result": f"{report['result']}: {report['detail']}",
        "print": f"{says['place']}, counted in block {says['counted_in_block']}",
        "machine": machine["model"] + (f", serial {machine['serial']}" if machine["serial"] else ""),
        "material": material["name"],
        "batch": material["batch"],
        "printed": f"{report['started_at']} to {report['ended_at']}",
        "mass": None if report["mass_g"] is None else f"{report['mass_g']} g",
        "owner": says["owner"],
        "provider": says["provider"],
    }
    fields(says["print"], {name: value for name, value in values.items() if value is not None})
    if report["measurements"]:
        columns = {
            "measured": lambda row: row["name"],
            "value": lambda row: f"{row['value']} {row['unit']}",
            "limits": lambda row: f"{row['lower'] or ''}..{row['upper'] or ''}".strip("."),
            "verdict": lambda row: row["verdict"],
            "instrument": lambda row: row["instrument"],
        }
        console().print(table(report["measurements"], columns))
