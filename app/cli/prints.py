"""`partvault print`: single prints, authorised by providers and seen by both parties."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.options import AccountFile, ApiKey, Json, Url, group
from app.cli.output import console, fields, plain, say, show, table

commands = group("print", "Single prints (provider authorises, both parties see)")
PrintId = Annotated[str, typer.Argument(help="The print (job_…)")]
Licence = Annotated[str, typer.Option(help="The licence (lic_…)")]
Printer = Annotated[str, typer.Option(help="The printer (prt_…)")]


@commands.command()
def check(
    licence: Licence, printer: Printer, url: Url = None, api_key: ApiKey = None, as_json: Json = False
) -> None:
    """Ask whether a print would be authorised, and why not; exit code 1 where not."""
    from app.cli.connection import connect
    from app.cli.failures import Exit

    with connect(url, api_key) as connection:
        body = {"licence_id": licence, "printer_id": printer}
        found = connection.client.post("/v1/prints/check", body)
    show(as_json, found, _draw_check)
    if not found["allowed"]:
        raise typer.Exit(Exit.REFUSED)


@commands.command()
def authorise(
    licence: Licence, printer: Printer, url: Url = None, api_key: ApiKey = None, as_json: Json = False
) -> None:
    """Authorise one print; shows its token, this once, for `partvault-printer print`."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        body = {"licence_id": licence, "printer_id": printer}
        made = connection.client.post("/v1/prints", body)
    show(as_json, made, _draw_token)


@commands.command()
def withdraw(print_id: PrintId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Take back an authorisation whose token is not redeemed yet; its number is free again."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        found = connection.client.post(f"/v1/prints/{print_id}/withdraw")
    show(as_json, found, _draw_print)


@commands.command()
def reissue(
    print_id: PrintId,
    expires: Annotated[str, typer.Option(help="First second after: RFC 3339 or +30d")] = "+30d",
    starts: Annotated[str, typer.Option(help="First second: RFC 3339, `now` or +12h")] = "now",
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """License one print in the place of one that came to nothing; a print is replaced once."""
    from app.cli.connection import connect
    from app.cli.licences import draw
    from app.cli.recipes import moment
    from app.cli.reissue import reissue_print

    window = moment(starts, "--starts"), moment(expires, "--expires")
    with connect(url, api_key, account_file) as connection:
        granted = reissue_print(connection, print_id, window, quiet=as_json)
    show(as_json, granted, draw)


@commands.command("list")
def list_(
    overdue: Annotated[bool, typer.Option("--overdue", help="Only prints whose outcome is late")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """List the prints you are a party of."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        rows = connection.client.pages("/v1/prints", overdue="true" if overdue else None)
    show(as_json, rows, _draw_rows)


@commands.command("show")
def show_(print_id: PrintId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Show a print with its receipts and its printer's report."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        found = connection.client.get(f"/v1/prints/{print_id}")
    show(as_json, found, _draw_print)


def _draw_check(found: dict[str, Any]) -> None:
    say("[green]✓ allowed[/]" if found["allowed"] else "[red]✗ not allowed[/]")
    for reason in found["reasons"]:
        say(f"  • {plain(reason['message'])}  [dim]({plain(reason['code'])})[/]")


def _draw_token(made: dict[str, Any]) -> None:
    values = {"state": made["state"], "sequence": made["sequence"], "until": made["token_expires_at"]}
    fields(made["id"], {**values, "token": made["token"]})
    say("  beside the machine:  partvault-printer print TOKEN")


def _draw_print(found: dict[str, Any]) -> None:
    report = found.get("report") or {}
    values: dict[str, object] = {
        "state": found["state"],
        "licence": f"{found['licence_id']}, print {found['sequence']}",
        "printer": found["printer_id"],
        "release": found.get("release_id"),
    }
    if found.get("outcome_due_at"):
        late = "overdue since" if found["overdue"] else "due by"
        values["outcome"] = f"{late} {found['outcome_due_at']}"
    if report:
        values["result"] = f"{report.get('result')}: {report.get('detail')}"
        values["serials"] = ", ".join(report.get("serials") or ()) or None
    if found.get("credited") is not None:
        values["credited"] = "yes, the licence got it back" if found["credited"] else "no"
    if found.get("replaced_by"):
        values["replaced by"] = found["replaced_by"]
    for name, key in (("counted", "receipt"), ("reported", "outcome_receipt")):
        if found.get(key):
            values[name] = f"block {found[key]['block_number']}, transaction {found[key]['transaction']}"
    fields(found["id"], values)
    for reason in found.get("reasons") or ():
        say(f"  • {plain(reason['message'])}")


def _draw_rows(rows: list[dict[str, Any]]) -> None:
    columns = {
        "id": lambda row: row["id"],
        "state": lambda row: row["state"] + (", overdue" if row["overdue"] else ""),
        "licence": lambda row: row["licence_id"],
        "print": lambda row: row["sequence"],
        "printer": lambda row: row["printer_id"],
        "result": lambda row: (row.get("report") or {}).get("result"),
    }
    console().print(table(rows, columns))
