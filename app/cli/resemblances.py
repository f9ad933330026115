"""`partvault design similar`: uploads that are, or closely resemble, another owner's part (operator)."""

from __future__ import annotations

from typing import Any

from app.cli.options import ApiKey, Json, Url
from app.cli.output import console, say, show, table


def similar(url: Url = None, api_key: ApiKey = None, as_json: Json = False) -> None:
    """List versions that are, or closely resemble, another owner's part (operator); owners are not told."""
    from app.cli.connection import connect

    with connect(url, api_key, operator=True) as connection:
        found = connection.client.pages("/v1/resemblances")
    show(as_json, found, _draw)


def _draw(found: list[dict[str, Any]]) -> None:
    if not found:
        say("no part resembles another owner's")
        return
    columns = {
        "version": lambda row: row["revision_id"],
        "of": lambda row: row["organisation_id"],
        "resembles": lambda row: row["other_revision_id"],
        "of ": lambda row: row["other_organisation_id"],
        "": lambda row: "the same file" if row["same_file"] else f"distance {row['distance']:.2f}",
        "size": lambda row: f"× {row['factor']:.3g}",
        "since": lambda row: row["created_at"],
    }
    console().print(table(found, columns))
