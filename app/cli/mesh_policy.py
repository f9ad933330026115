"""The policy that files at hand are held to: a file's fields, and options over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mesh_tools.gate import Policy

PolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", help="JSON file of policy fields", exists=True, dir_okay=False, readable=True),
]
Process = Annotated[str | None, typer.Option(help="ISO/ASTM 52900 process [MEX]")]
BuildVolume = Annotated[str | None, typer.Option(help="mm, as 250x210x220")]
Units = Annotated[
    str | None, typer.Option(help="Unit of formats that carry none: micron, mm, cm, inch, foot, m")
]


def policy_of(file: Path | None, process: str | None, build_volume: str | None, units: str | None) -> Policy:
    """The policy that `file` holds, with what the options say in place of its fields.

    Raises CliError for a file that is no JSON object, PolicyInvalid naming the field that is wrong.
    """
    from app.cli.recipes import volume
    from mesh_tools.gate import Policy

    fields = {} if file is None else _read(file)
    chosen = {
        "process": process,
        "units": units,
        "build_volume_mm": volume(build_volume) if build_volume else None,
    }
    fields.update({name: value for name, value in chosen.items() if value is not None})
    return Policy.from_json(fields)


def _read(file: Path) -> dict[str, Any]:
    from app.cli.failures import usage

    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise usage(f"--policy {file}: not JSON: {error}", "write one JSON object of fields") from None
    if not isinstance(fields, dict):
        raise usage(f"--policy {file}: not a JSON object", 'write one such as {"process": "PBF-LB"}')
    return fields
