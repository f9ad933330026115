"""`partvault keys shred`: a design's keys and files destroyed for ever, with two API keys' consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.options import ApiKey, Json, Url
from app.cli.output import console, fields, plain, say, show, table

if TYPE_CHECKING:
    from app.cli.connection import Connection


def shred(
    design: Annotated[str | None, typer.Argument(help="The design to be destroyed (dsn_…)")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why, for whoever confirms it and for the record")
    ] = None,
    yes: Annotated[
        str | None, typer.Option("--yes", metavar="NAME", help="The design's name, instead of being asked")
    ] = None,
    confirm: Annotated[
        str | None, typer.Option(metavar="SHREDDING", help="Confirm what another key has requested")
    ] = None,
    withdraw: Annotated[
        str | None, typer.Option(metavar="SHREDDING", help="Take back what nobody has confirmed")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the shreddings you see")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Destroy a design's keys and files for ever: request it, then have another API key confirm it.

    The other key is an owner's of the same organisation, or the operator's. From the confirmation on nothing
    of the design opens any more; licences, prints and the ledger's history stay. Exit code 3 where files are
    still to be deleted: the service goes on by itself.
    """
    from app.cli.connection import connect
    from app.cli.failures import Exit, usage

    asked = [design is not None, confirm is not None, withdraw is not None, list_]
    if sum(asked) != 1:
        raise usage("name one design, or one of --confirm, --withdraw and --list")
    with connect(url, api_key, operator=design is None) as connection:
        if list_:
            show(as_json, connection.client.pages("/v1/shreddings"), _draw_list)
            return
        if design is not None:
            found = _request(connection, design, reason, yes, ask=not as_json)
        else:
            event = "confirm" if confirm is not None else "withdraw"
            found = connection.client.post(f"/v1/shreddings/{confirm or withdraw}/{event}")
    show(as_json, found, _draw)
    if found["state"] == "confirmed":
        raise typer.Exit(Exit.PENDING)


def _request(
    connection: Connection, design: str, reason: str | None, name: str | None, *, ask: bool
) -> dict[str, Any]:
    from app.cli.failures import CliError, usage

    if reason is None:
        raise usage("a shredding needs a reason", "add --reason 'why'")
    known = connection.client.get(f"/v1/designs/{design}")
    if name is None and not ask:
        raise usage("with --json nothing is asked", "add --yes 'name of the design'")
    if name is None:
        say(f"[bold]{plain(known['name'])}[/] ({design}) is to be destroyed: keys, files, for ever")
        name = typer.prompt("Type the design's name", err=True)
    if name != known["name"]:
        raise CliError("not_confirmed", f"{name!r} is not the design's name; nothing was requested")
    body = {"reason": reason, "design_name": name}
    found: dict[str, Any] = connection.client.post(f"/v1/designs/{design}/shreddings", body)
    return found


def _draw(found: dict[str, Any]) -> None:
    names = ("state", "design_id", "reason", "requested_by", "confirmed_by", "withdrawn_by", "finished_at")
    values = {name.replace("_", " "): found[name] for name in names if found[name] is not None}
    fields(f"shredding {found['id']}", values)
    if found["state"] == "requested":
        say(f"  → with another key: partvault keys shred --confirm {found['id']}")
        say(f"    before {found['expires_at']}, or it expires")
    if found["state"] == "confirmed":
        say("  → its keys are destroyed; the service is still deleting files")
    if found["state"] == "shredded":
        say("  → keys in backups: rotate, then destroy the old version (partvault keys rotate, keys destroy)")


def _draw_list(rows: list[dict[str, Any]]) -> None:
    names = ("id", "state", "design_id", "reason", "requested_by", "confirmed_by")
    columns = {name.replace("_", " "): lambda row, name=name: row[name] for name in names}
    console().print(table(rows, columns))
