"""`partvault plate`: several prints at once on one printer, authorised all or none."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.options import ApiKey, Json, Url, group
from app.cli.output import fields, plain, say, show

commands = group("plate", "Several prints in one build (provider authorises, all or none)")
Printer = Annotated[str, typer.Option(help="The printer (prt_…)")]
Part = Annotated[
    list[str], typer.Option(help="A licence (lic_…), or lic_…:COUNT for several of it; repeat for each")
]
At = Annotated[
    list[str] | None,
    typer.Option(help="Where a part stands, X,Y or X,Y,TURN (mm, degrees); for all parts in order, or none"),
]
Plate = Annotated[str, typer.Argument(help="The plate (plt_…)")]


@commands.command()
def check(
    printer: Printer,
    part: Part,
    at: At = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Ask whether a plate would be authorised, and why not; exit code 1 where not."""
    from app.cli.connection import connect
    from app.cli.failures import Exit

    with connect(url, api_key) as connection:
        found = connection.client.post("/v1/plates/check", _request(printer, part, at))
    show(as_json, found, _draw_check)
    if not found["allowed"]:
        raise typer.Exit(Exit.REFUSED)


@commands.command()
def create(
    printer: Printer,
    part: Part,
    at: At = None,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Authorise a plate, all parts or none; shows its token, this once, for `partvault-printer print`."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        made = connection.client.post("/v1/plates", _request(printer, part, at))
    show(as_json, made, _draw_token)


@commands.command("show")
def show_(plate_id: Plate, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Show a plate and those of its prints that are yours to see."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        found = connection.client.get(f"/v1/plates/{plate_id}")
    show(as_json, found, _draw_plate)


@commands.command()
def withdraw(plate_id: Plate, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Withdraw a plate before its token is redeemed; all its numbers are free again."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        found = connection.client.post(f"/v1/plates/{plate_id}/withdraw", {})
    show(as_json, found, _draw_plate)


def _request(printer: str, parts: list[str], spots: list[str] | None) -> dict[str, Any]:
    """Make the request of what was typed; BadParameter names what cannot be read."""
    wanted = [_part(text) for text in parts]
    total = sum(part["count"] for part in wanted)
    if spots is not None and len(spots) != total:
        raise typer.BadParameter(f"{len(spots)} spots for {total} parts; give one for each or none")
    placed = iter([_spot(text) for text in spots or ()])
    for part in wanted if spots else ():
        part["spots"] = [next(placed) for _ in range(part["count"])]
    return {"printer_id": printer, "parts": wanted}


def _part(text: str) -> dict[str, Any]:
    licence, _, count = text.partition(":")
    if count and not count.isdigit():
        raise typer.BadParameter(f"{text!r} is no part; write lic_… or lic_…:COUNT")
    return {"licence_id": licence, "count": int(count or 1)}


def _spot(text: str) -> dict[str, float]:
    try:
        x, y, *turn = (float(number) for number in text.split(","))
        (turned,) = turn or [0.0]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no spot; write X,Y or X,Y,TURN") from None
    return {"x_mm": x, "y_mm": y, "turn_deg": turned}


def _draw_check(found: dict[str, Any]) -> None:
    say("[green]✓ allowed[/]" if found["allowed"] else "[red]✗ not allowed[/]")
    for part in found["parts"]:
        for reason in part["reasons"]:
            where = f"part {part['part']} ({plain(part['licence_id'])})"
            say(f"  • {where}: {plain(reason['message'])}  [dim]({plain(reason['code'])})[/]")


def _draw_token(made: dict[str, Any]) -> None:
    values = {"state": made["state"], "parts": made["parts"], "until": made["token_expires_at"]}
    fields(made["id"], {**values, "token": made["token"]})
    _draw_parts(made)
    say("  beside the machine:  partvault-printer print TOKEN")


def _draw_plate(found: dict[str, Any]) -> None:
    fields(found["id"], {"state": found["state"], "parts": found["parts"], "printer": found["printer_id"]})
    _draw_parts(found)


def _draw_parts(found: dict[str, Any]) -> None:
    for row in found["prints"]:
        spot = found["layout"][row["part"]]
        where = f"{spot['x_mm']:g}, {spot['y_mm']:g} mm, {spot['turn_deg']:g}°"
        what = f"{plain(row['licence_id'])}, print {row['sequence']}"
        say(f"  {row['part']}  {plain(row['print_id'])}  {row['state']}  {what}  at {where}")
        for reason in row["reasons"]:
            say(f"     • {plain(reason['message'])}")
