"""`partvault org`: parties of the service, for its operator."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import AccountFile, ApiKey, Json, Url, group
from app.cli.output import console, fields, show, table

_KEEPERS = {"managed": "service", "external": "party"}
commands = group("org", "Parties of the service (operator)")


class Kind(StrEnum):
    """Who keeps an organisation's account."""

    MANAGED = "managed"
    OWN = "own"


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the party")],
    role: Annotated[list[str], typer.Option(help="owner, provider or auditor; repeatable")],
    account: Annotated[
        Kind, typer.Option(help="managed: the service keeps the key; own: you do")
    ] = Kind.MANAGED,
    address: Annotated[str | None, typer.Option(help="With own: an address whose key is elsewhere")] = None,
    url: Url = None,
    api_key: ApiKey = None,
    account_file: AccountFile = None,
    as_json: Json = False,
) -> None:
    """Add a party; shows its first API key, this once."""
    from app.cli.connection import connect

    with connect(url, api_key, account_file, operator=True) as connection:
        path = connection.settings.account_file if account is Kind.OWN and address is None else None
        chosen = _account(account, address, path)
        made = connection.client.post("/v1/organisations", {"name": name, "roles": role, "account": chosen})
    made["account_file"] = str(path) if path else None
    show(as_json, made, _draw_created)


@commands.command("list")
def list_(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List the parties."""
    from app.cli.connection import connect

    with connect(url, api_key, operator=True) as connection:
        rows = connection.client.pages("/v1/organisations")
    show(as_json, rows, _draw)


def _account(kind: Kind, address: str | None, path: Path | None) -> dict[str, str]:
    """Give the account to register; makes the key file where it is to be made."""
    from app.cli.account import Account
    from app.cli.failures import usage

    if kind is Kind.MANAGED:
        return {"type": "managed"}
    if address is None and path is None:
        raise usage("an own account needs a key file", "add --account-file PATH, or --address 0x…")
    if path is not None:
        address = (Account.load(path) if path.exists() else Account.create(path)).address
    return {"type": "external", "address": str(address)}


def _draw_created(made: dict[str, Any]) -> None:
    account = made.get("account") or {}
    values = {
        "id": made["id"],
        "roles": ", ".join(made["roles"]),
        "account": f"{account.get('address')} ({account.get('type')})",
        "API key": made["api_key"]["key"],
    }
    if made["account_file"]:
        values["account file"] = made["account_file"]
    fields(made["name"], values)
    console(error=True).print(
        "  [dim]the key is shown this once; give it to the party as PARTVAULT_API_KEY[/]"
    )


def _draw(rows: list[dict[str, Any]]) -> None:
    columns = {
        "id": lambda row: row["id"],
        "name": lambda row: row["name"],
        "roles": lambda row: ", ".join(row["roles"]),
        "account": lambda row: (row.get("account") or {}).get("address"),
        "kept by": lambda row: _KEEPERS.get(str((row.get("account") or {}).get("type"))),
    }
    console().print(table(rows, columns))
