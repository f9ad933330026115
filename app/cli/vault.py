"""`partvault vault`: the stored objects and their keys, on the operator's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import DataDir, Json, group
from app.cli.output import console, plain, say, show

if TYPE_CHECKING:
    from pathlib import Path

    from app.fsck.report import Report

commands = group("vault", "Stored objects and their keys; on the operator's machine")
GRACE_HOURS = 6.0


@commands.callback()
def options() -> None:  # a group of one command stays a group
    """Take what stands before the command."""


@commands.command()
def fsck(
    repair: Annotated[
        bool, typer.Option("--repair", help="Set orphans aside, remove parts of interrupted uploads")
    ] = False,
    decrypt: Annotated[
        bool, typer.Option("--decrypt", help="Decrypt every object too and compare the plaintext")
    ] = False,
    grace: Annotated[
        float, typer.Option(min=0, help="Hours before an object that no row knows counts as an orphan")
    ] = GRACE_HOURS,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Compare every stored object, key and manifest with the database; the service may be running.

    Names what is missing, damaged, unopenable, or without a row, and what to do. --repair deletes nothing:
    orphans move to quarantine/. Exit code 0 when all is well (or was repaired), 1 with findings, 2 when the
    check could not be made.
    """
    from app.cli.failures import Exit

    report = _run(data_dir, grace, decrypt=decrypt, repair=repair, quiet=as_json)
    show(as_json, report.to_json(), lambda found: _draw(found, grace))
    if not report.ok:
        raise typer.Exit(Exit.REFUSED)


def _run(data_dir: Path | None, grace: float, *, decrypt: bool, repair: bool, quiet: bool) -> Report:
    from sqlalchemy.exc import SQLAlchemyError

    from app.cli.data_folder import custody
    from app.cli.failures import CliError, Exit
    from app.cli.progress import transfer
    from app.cli.start import service_settings
    from app.clock import SystemClock
    from app.fsck.check import Fsck, Options
    from storage.backends import open_objects
    from storage.vault import Vault

    settings = service_settings(data_dir=data_dir)
    chosen = Options(grace_s=int(grace * 3600), decrypt=decrypt, repair=repair)
    try:
        with custody(settings) as (database, keys):
            check = Fsck(
                database, Vault(open_objects(settings.objects_location), keys), SystemClock(), chosen
            )
            with transfer("reading stored objects", check.bytes_total, quiet=quiet) as moved:
                return check.run(moved)
    except SQLAlchemyError as error:
        raise CliError(
            "database",
            f"the database cannot be read: {type(error).__name__}",
            "check PARTVAULT_DATABASE_URL and that the service has brought its tables up to date",
            exit_code=Exit.UNUSABLE,
        ) from error


def _draw(report: dict[str, Any], grace: float) -> None:
    counts = report["counts"]
    things = {"objects": "stored object", "wrapped_keys": "wrapped key", "manifests": "manifest"}
    say("looked at " + ", ".join(_many(counts[name], thing) for name, thing in things.items()))
    if counts["shredded"] or counts["being_shredded"]:
        say(f"  {counts['shredded']} objects are shredded, {counts['being_shredded']} are being shredded")
    if report["recent"]:
        named = _many(len(report["recent"]), "object")
        say(f"  {named} without a row, younger than {grace:g} h: recent, left alone")
    if report["parts_removed"]:
        say(f"  {_many(report['parts_removed'], 'part')} of interrupted uploads removed")
    for key in report["quarantined"]:
        new = key.removeprefix("quarantine/") in report["repaired"]
        say(f"  {'set aside now' if new else 'in quarantine'}: {plain(key)}")
    _draw_findings(report["findings"])


def _draw_findings(findings: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    if not findings:
        say("[green]✓ all is well[/]")
        return
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("problem", "row", "column", "what is wrong", "what to do"):
        drawn.add_column(name, overflow="fold")
    for each in findings:
        texts = (each["row"], each["column"] or None, each["reason"], each["remedy"])
        drawn.add_row(f"[red]{plain(each['problem'])}[/]", *(plain(text) for text in texts))
    console().print(drawn)
    say(f"[red]✗ {_many(len(findings), 'finding')}[/]")


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
