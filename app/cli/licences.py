"""`partvault licence`: permissions to print, granted by owners, seen by both parties."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import AccountFile, ApiKey, Json, Url, group
from app.cli.output import console, fields, show, table

commands = group("licence", "Permissions to print (owner grants, provider sees)")
LicenceId = Annotated[str, typer.Argument(help="The licence (lic_…)")]


@commands.command()
def grant(
    revision: Annotated[str, typer.Option(help="The published revision (rev_…)")],
    provider: Annotated[str, typer.Option(help="Who may print: id (org_…) or exact name")],
    prints: Annotated[int, typer.Option(min=1, help="How many prints")],
    reprints: Annotated[int, typer.Option(min=0, help="How many failed prints are credited back")] = 0,
    starts: Annotated[str, typer.Option(help="First second: RFC 3339, `now` or +12h")] = "now",
    expires: Annotated[str, typer.Option(help="First second after: RFC 3339 or +30d")] = "+30d",
    printer: Annotated[
        list[str] | None,
        typer.Option(help="Only this printer, prt_… (own account: prt_…=0xHASH); repeatable"),
    ] = None,
    term: Annotated[
        list[str] | None, typer.Option(help="Condition NAME=VALUE, kept off chain; repeatable")
    ] = None,
    terms_file: Annotated[Path | None, typer.Option(help="Conditions as a JSON file", exists=True)] = None,
    provider_address: Annotated[
        str | None, typer.Option(help="Refuse if the provider has another address")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Grant a licence on the ledger; an own account signs it here after checking every field."""
    from app.cli.connection import connect
    from app.cli.grant import Wish, grant_licence
    from app.cli.recipes import json_file, moment, pairs

    terms = {**(json_file(terms_file) if terms_file else {}), **pairs(term or [], "--term")}
    wish = Wish(
        revision_id=revision,
        provider=provider,
        provider_address=provider_address,
        prints=prints,
        reprints=reprints,
        starts_at=moment(starts, "--starts"),
        expires_at=moment(expires, "--expires"),
        printers=tuple(printer or ()),
        terms=terms,
    )
    with connect(url, api_key, account_file) as connection:
        granted = grant_licence(connection, wish, quiet=as_json)
    show(as_json, granted, draw)


@commands.command("list")
def list_(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List the licences you are a party of."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        rows = connection.client.pages("/v1/licences")
    show(as_json, rows, _draw_rows)


@commands.command("show")
def show_(licence_id: LicenceId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """Show a licence with the ledger's counts."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        found = connection.client.get(f"/v1/licences/{licence_id}")
    show(as_json, found, draw)


@commands.command()
def revoke(
    licence_id: LicenceId,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Withdraw a licence on the ledger; prints already counted stand."""
    from app.cli.connection import connect
    from app.cli.grant import show_final
    from app.cli.statements import sign_revocation

    with connect(url, api_key, account_file) as connection:
        shown = connection.client.get(f"/v1/licences/{licence_id}")
        signature = sign_revocation(connection, connection.account(), shown)
        body = {"signature": signature} if signature else None
        revoked = connection.client.post(f"/v1/licences/{licence_id}/revoke", body)
    show_final(as_json, revoked, draw, f"partvault licence show {licence_id}")


def draw(licence: dict[str, Any]) -> None:
    """Print a licence."""
    used = f"{licence['prints_recorded']} of {licence['prints'] - licence['prints_transferred']}"
    if licence["prints_transferred"]:
        used += f" ({licence['prints_transferred']} transferred)"
    credit = f"{licence['credited']} of {licence['reprints']}"
    receipt = licence.get("revocation_receipt") or licence.get("receipt")
    fields(
        licence["id"],
        {
            "state": licence["state"],
            "revision": licence["revision_id"],
            "provider": licence["provider_id"],
            "printed": f"{used}, {credit} credited back",
            "taken from": licence["transferred_from"],
            "in place of": licence["replaces"],
            "window": f"{licence['starts_at']} – {licence['expires_at']}",
            "printers": ", ".join(licence["printers"]) or "all the provider enrolled",
            "on the ledger": licence["licence_hash"],
            "receipt": f"block {receipt['block_number']}, transaction {receipt['transaction']}"
            if receipt
            else None,
        },
    )


def _draw_rows(rows: list[dict[str, Any]]) -> None:
    columns = {
        "id": lambda row: row["id"],
        "state": lambda row: row["state"],
        "revision": lambda row: row["revision_id"],
        "provider": lambda row: row["provider_id"],
        "printed": lambda row: f"{row['prints_recorded']}/{row['prints'] - row['prints_transferred']}",
        "credited": lambda row: f"{row['credited']}/{row['reprints']}",
        "until": lambda row: row["expires_at"],
    }
    console().print(table(rows, columns))
