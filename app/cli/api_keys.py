"""`partvault api-key`: API keys of your organisation."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.options import ApiKey, Json, Url, group
from app.cli.output import console, fields, show, table

commands = group("api-key", "API keys of your organisation")


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for")],
    role: Annotated[list[str], typer.Option(help="owner, provider, auditor or operator; repeatable")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Make a further key; shows it this once."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        made = connection.client.post("/v1/api-keys", {"name": name, "roles": role})
    values = {"id": made["id"], "roles": ", ".join(made["roles"]), "key": made["key"]}
    show(as_json, made, lambda _: fields(made["name"], values))


@commands.command("list")
def list_(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List the keys, without their text."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        rows = connection.client.pages("/v1/api-keys")
    show(as_json, rows, _draw)


@commands.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id (key_…)")],
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Revoke a key, from now on and for good."""
    from app.cli.connection import connect

    with connect(url, api_key) as connection:
        connection.client.delete(f"/v1/api-keys/{key_id}")
    show(as_json, {"id": key_id, "state": "revoked"}, lambda value: fields(key_id, {"state": value["state"]}))


def _draw(rows: list[dict[str, Any]]) -> None:
    columns = {
        "id": lambda row: row["id"],
        "name": lambda row: row["name"],
        "roles": lambda row: ", ".join(row["roles"]),
        "made": lambda row: row["created_at"],
        "state": lambda row: "revoked" if row.get("revoked_at") else "active",
    }
    console().print(table(rows, columns))
