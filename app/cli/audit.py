"""`partvault audit`: does everything agree with the chain?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import DataDir, Json
from app.cli.output import console, plain, say, show

if TYPE_CHECKING:
    from app.cli.audit_remote import Audited


def audit(
    rpc: Annotated[str | None, typer.Option(help="JSON-RPC endpoint of a node of the chain")] = None,
    contract: Annotated[str | None, typer.Option(help="Address of the print ledger there")] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="Evidence file to hold against the chain", exists=True, dir_okay=False)
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Evidence of one print to verify", exists=True, dir_okay=False)
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Folder for grants, prints, outcomes, printers and findings as CSV", file_okay=False
        ),
    ] = None,
    pdf: Annotated[Path | None, typer.Option(help="File for a one-page report", dir_okay=False)] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Re-derive every licence, count and print from the chain, and name whatever disagrees.

    With --rpc and --contract it needs nothing of the service. Without, it audits the data folder: database
    rows, stored objects and chain against each other. With --bundle it verifies the evidence of one print by
    itself, and with --rpc that the chain has its blocks. Exit code 0 only when all agree, 1 where something
    differs, 2 where nothing could be said.
    """
    from app.cli.failures import Exit

    if bundle is not None:
        from app.cli.audit_bundle import audit_bundle

        _refuse_beside_bundle(contract=contract, evidence=evidence, csv=csv, pdf=pdf)
        report = audit_bundle(bundle, rpc, quiet=as_json)
    else:
        audited = _run(rpc, contract, evidence, data_dir, quiet=as_json)
        report = audited.report
        _write(audited, csv, pdf)
    show(as_json, report.to_json(), _draw)
    if not report.ok:
        raise typer.Exit(Exit.REFUSED)


def _refuse_beside_bundle(**others: object) -> None:
    from app.cli.failures import usage

    for name, value in others.items():
        if value is not None:
            raise usage(f"--bundle and --{name} exclude each other", "a bundle names its contract itself")


def _run(
    rpc: str | None, contract: str | None, evidence: Path | None, data_dir: Path | None, *, quiet: bool
) -> Audited:
    from app.cli.audit_remote import audit_remote, read_evidence
    from app.cli.failures import usage

    if (rpc is None) != (contract is None):
        raise usage("--rpc and --contract belong together", "name both, or neither for the data folder")
    claimed = None if evidence is None else read_evidence(evidence)
    if rpc is not None and contract is not None:
        return audit_remote(rpc, contract, claimed, quiet=quiet)
    from app.cli.audit_local import audit_folder
    from app.cli.start import service_settings

    return audit_folder(service_settings(data_dir=data_dir), claimed, quiet=quiet)


def _write(audited: Audited, csv: Path | None, pdf: Path | None) -> None:
    """Write the files that were asked for; they hold what the report does, and the rows behind it."""
    if csv is None and pdf is None:
        return
    from app.cli.audit_tables import tables_of

    tables = tables_of(audited.report, audited.history, audited.successions)
    if csv is not None:
        tables.write(csv)
    if pdf is not None:
        from app.cli import audit_pdf

        head = audited.history.head
        known = audit_pdf.Head(head.number, head.hash, head.timestamp)
        audit_pdf.write(pdf, audited.report, tables, known)


def _draw(report: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    say(f"chain {report['chain_id']}, contract {plain(report['contract'])}, head {report['head']}")
    counts = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in report["counts"].items() if count
    )
    say(f"  looked at {counts or 'nothing: the contract has no history'}")
    if report["ok"]:
        say("[green]✓ everything agrees[/]")
        return
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("row", "field", "what is wrong"):
        drawn.add_column(name, overflow="fold")
    for finding in report["findings"]:
        drawn.add_row(plain(finding["row"]), plain(finding["field"]), plain(finding["problem"]))
    console().print(drawn)
    found = len(report["findings"])
    say(f"[red]✗ {found} disagreement{'' if found == 1 else 's'}[/]")
