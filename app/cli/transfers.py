"""`partvault licence consent | transfer | transfers`: unused prints passed on to another provider."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer

from app.cli.options import AccountFile, ApiKey, Json, Url
from app.cli.output import console, fields, show, table

LicenceId = Annotated[str, typer.Argument(help="The licence (lic_…) that prints are taken from")]


def consent(
    licence_id: LicenceId,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Let its provider pass unused prints on, where the terms say transferable=true (owner; for good)."""
    from app.cli.connection import connect
    from app.cli.licences import draw
    from app.cli.statements import sign_consent

    with connect(url, api_key, account_file) as connection:
        shown = connection.client.get(f"/v1/licences/{licence_id}")
        signature = sign_consent(connection, connection.account(), shown)
        body = {"signature": signature} if signature else None
        consented = connection.client.post(f"/v1/licences/{licence_id}/transfer-consent", body)
    show(as_json, consented, draw)


def transfer(
    licence_id: LicenceId,
    to: Annotated[str, typer.Option(help="Who gets the prints: id (org_…) or exact name")],
    prints: Annotated[int, typer.Option(min=1, help="How many prints")],
    to_address: Annotated[str | None, typer.Option(help="Refuse if the receiver has another address")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Pass unused prints on to another provider, on the ledger (provider; needs the owner's consent)."""
    from app.cli.connection import connect
    from app.cli.grant import find_provider, show_final
    from app.cli.statements import sign_transfer

    with connect(url, api_key, account_file) as connection:
        party = find_provider(connection, to, to_address)
        path = f"/v1/licences/{licence_id}"
        shown = connection.client.get(path)
        salt = secrets.token_bytes(32)
        request = {"provider_id": party["id"], "prints": prints, "salt": "0x" + salt.hex()}
        prepared = connection.client.post(f"{path}/transfers/prepare", request)
        wish = (party["address"], prints, salt)
        signature = sign_transfer(connection, connection.account(), shown, wish, prepared)
        made = connection.client.post(
            f"{path}/transfers", request | ({"signature": signature} if signature else {})
        )
    show_final(as_json, made, _draw, f"partvault licence transfers {licence_id}")


def transfers(licence_id: LicenceId, url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List the transfers that took prints from a licence."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        rows = connection.client.pages(f"/v1/licences/{licence_id}/transfers")
    show(as_json, rows, _draw_rows)


def _draw(made: dict[str, Any]) -> None:
    receipt = made.get("receipt")
    fields(
        made["id"],
        {
            "state": made["state"],
            "taken from": made["licence_id"],
            "provider": made["provider_id"],
            "prints": made["prints"],
            "on the ledger": made["licence_hash"],
            "receipt": f"block {receipt['block_number']}, transaction {receipt['transaction']}"
            if receipt
            else None,
        },
    )


def _draw_rows(rows: list[dict[str, Any]]) -> None:
    columns = {
        "licence made": lambda row: row["id"],
        "state": lambda row: row["state"],
        "provider": lambda row: row["provider_id"],
        "prints": lambda row: row["prints"],
        "made": lambda row: row["created_at"],
    }
    console().print(table(rows, columns))
