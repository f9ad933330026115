"""`partvault evidence`: everything signed about your licences, in a file that outlives the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import ApiKey, Json, Url
from app.cli.output import fields, plain, say, show


def evidence(
    licence: Annotated[str | None, typer.Option(help="Of this licence alone (lic_…)")] = None,
    print_id: Annotated[
        str | None, typer.Option("--print", help="Of this print alone (job_…), with proofs of its receipts")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write")] = Path("evidence.json"),
    url: Url = None,
    api_key: ApiKey = None,
    as_json: Json = False,
) -> None:
    """Save the evidence for `partvault audit --rpc … --contract … --evidence FILE`, or of one print for
    `partvault audit --bundle FILE`.
    """
    import json

    from app.cli.connection import connect
    from app.cli.downloads import save
    from app.cli.failures import usage

    if licence and print_id:
        raise usage("--licence and --print exclude each other", "name one of them, or neither for everything")
    path = f"/v1/licences/{licence}/evidence" if licence else "/v1/evidence"
    path = f"/v1/prints/{print_id}/evidence" if print_id else path
    with connect(url, api_key) as connection:
        size = save(connection.client, path, output, quiet=as_json)
    content = json.loads(output.read_text(encoding="utf-8"))
    counts = {name: len(rows) for name, rows in content.items() if isinstance(rows, list)}
    about = {"chain_id": content["chain_id"], "contract": content["contract"]}
    show(as_json, {"path": str(output), "bytes": size, **about, "counts": counts}, _draw)


def _draw(said: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {name}" for name, count in said["counts"].items() if count)
    values = {"chain": said["chain_id"], "contract": said["contract"], "holds": counts or "nothing yet"}
    fields(f"{said['path']}  {said['bytes']} bytes", values)
    audit = f"--bundle {plain(said['path'])}"
    if "prints" in said["counts"]:
        audit = f"--rpc URL --contract {said['contract']} --evidence {plain(said['path'])}"
    say(f"  audit it: partvault audit {audit}")
