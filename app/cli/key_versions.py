"""`partvault keys`: the versions of the key that wraps every data key, on the operator's machine.

They work on the database and the key back end of the settings; the service may be running.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import DataDir, Json, group
from app.cli.output import console, fields, plain, say, show, table

if TYPE_CHECKING:
    from app.database import Database
    from storage.keys import KeyBackend

commands = group("keys", "Versions of the key that wraps every data key; on the operator's machine")

SHOWN_MAX = 20
"""Names of wraps that are printed for people; --json has all of them."""


@commands.command()
def status(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show the versions, what is wrapped under each, and a rotation under way.

    Exit code 1 where something is wrapped under a version that the key back end does not hold.
    """
    from app.cli.failures import Exit
    from app.custody import status as custody_status

    with _opened(data_dir) as (database, keys):
        found = custody_status.survey(database, keys).to_json()
    show(as_json, found, _draw_status)
    if not found["ok"]:
        raise typer.Exit(Exit.REFUSED)


@commands.command()
def rotate(
    from_version: Annotated[
        str | None,
        typer.Option("--from", help="Rotate away from this version only; makes a repeat harmless"),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make a new version and bring every wrapped key under it; stored files stay as they are.

    A rotation that was stopped is continued, and no second version made for it. Exit code 1 where wrapped
    keys do not open: they are named, the others are done, and the next run tries them again.
    """
    from app.cli.failures import Exit
    from app.cli.progress import counting
    from app.clock import SystemClock
    from app.custody import rotation

    with _opened(data_dir) as (database, keys):
        clock = SystemClock()
        begun = rotation.begin(database, keys, clock, from_version)
        total = rotation.behind(database, keys, begun)
        with counting(f"re-wrapping for rotation {begun.id}", total, quiet=as_json) as seen:
            outcome = rotation.complete(database, keys, clock, begun, seen)
    show(as_json, outcome.to_json(), _draw_rotation)
    if not outcome.complete:
        raise typer.Exit(Exit.REFUSED)


@commands.command()
def destroy(
    version: Annotated[str, typer.Argument(help="The version, as `partvault keys status` shows it")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Destroy an old version for ever, after every wrapped key was opened under another.

    Refuses the current version, one that anything is wrapped under, and while a rotation is not finished.
    Copies of the key in backups are yours to destroy.
    """
    from app.cli.progress import counting
    from app.clock import SystemClock
    from app.custody import census, destruction

    with _opened(data_dir) as (database, keys):
        destruction.require_destroyable(database, keys, version)
        if not yes:
            _confirm(version)
        with database.read() as session:
            total = census.count(session)
        with counting("opening every wrapped key", total, quiet=as_json) as seen:
            row = destruction.destroy(database, keys, SystemClock(), version, seen)
    found = {"version": row.version, "verified": row.verified, "destroyed_at": _instant(row.destroyed_at)}
    show(as_json, found, lambda value: fields(f"version {version} is destroyed", value))


@contextmanager
def _opened(data_dir: Any) -> Iterator[tuple[Database, KeyBackend]]:
    """Open the settings' database and key back end; a refusal of theirs ends with exit code 1."""
    from app.cli.data_folder import custody
    from app.cli.failures import CliError
    from app.cli.start import service_settings
    from app.errors import Conflict

    try:
        with custody(service_settings(data_dir=data_dir)) as opened:
            yield opened
    except Conflict as error:
        reasons = [reason.to_json() for reason in error.reasons]
        raise CliError(str(error.kind), error.detail, error.remedy or "", reasons=reasons) from error


def _confirm(version: str) -> None:
    from app.cli.failures import CliError

    typed = typer.prompt(f"Type {version} to destroy key version {version} for ever", err=True)
    if typed.strip() != version:
        raise CliError("not_confirmed", f"{typed.strip()!r} is not {version!r}; nothing was destroyed")


def _instant(seconds: int | None) -> str | None:
    from app.clock import rfc3339

    return None if seconds is None else rfc3339(seconds)


def _draw_status(found: dict[str, Any]) -> None:
    say(f"[bold]{plain(found['backend'])}[/]  keyring {plain(found['keyring'])}")
    columns = {
        name: lambda row, name=name: row[name] for name in ("version", "state", "wraps", "destroyed_at")
    }
    console().print(table(found["versions"], columns))
    running = found["rotation"]
    if running is not None:
        say(
            f"[yellow]rotation {plain(running['id'])} from {plain(running['from_version'])} is "
            f"{plain(running['state'])}: run `partvault keys rotate` to finish it[/]"
        )


def _draw_rotation(found: dict[str, Any]) -> None:
    values = {name: found[name] for name in ("from_version", "to_version", "state", "rewrapped")}
    fields(f"rotation {found['id']}", values)
    failed = found["failed"]
    if not failed:
        return
    say(f"[red]✗ the rotation is incomplete; wrapped keys that do not open: {len(failed)}[/]")
    for each in failed[:SHOWN_MAX]:
        say(f"  • {plain(each['row'])} [dim]({plain(each['kind'])})[/] {plain(each['detail'])}")
    if len(failed) > SHOWN_MAX:
        say(f"  … and {len(failed) - SHOWN_MAX} more; --json names them")
    say("  → restore their rows from a backup, then run `partvault keys rotate` again")
