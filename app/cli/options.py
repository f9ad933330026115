"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SERVICE = "Connection"

Url = Annotated[
    str | None,
    typer.Option(
        "--url", help="The service [PARTVAULT_URL, the one in the data folder]", rich_help_panel=_SERVICE
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", help="Your API key; better by PARTVAULT_API_KEY", rich_help_panel=_SERVICE),
]
AccountFile = Annotated[
    Path | None,
    typer.Option(
        "--account-file",
        help="Key file of your own account [PARTVAULT_ACCOUNT_FILE]",
        rich_help_panel=_SERVICE,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="The service's data folder [PARTVAULT_DATA_DIR, ./data]"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout, nothing else")]


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("partvault"))
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit")
]


def group(name: str, help_: str) -> typer.Typer:
    """Make the group of a noun's commands."""
    return typer.Typer(name=name, help=help_, no_args_is_help=True, pretty_exceptions_enable=False)
