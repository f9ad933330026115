"""`partvault mesh`: the gate on files at hand, without a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import Json, group
from app.cli.output import coloured, emit, findings, plain, say

commands = group("mesh", "The gate, on files at hand")


@commands.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Print files", exists=True, dir_okay=False, readable=True)
    ],
    process: Annotated[str, typer.Option(help="ISO/ASTM 52900 process")] = "MEX",
    build_volume: Annotated[str | None, typer.Option(help="mm, as 250x210x220")] = None,
    units: Annotated[str | None, typer.Option(help="Unit of an STL: micron, mm, cm, inch, foot, m")] = None,
    thumbnail: Annotated[Path | None, typer.Option(help="Save the last file's picture as PNG")] = None,
    as_json: Json = False,
) -> None:
    """Inspect files in the sandbox as the service would; exit code 1 where one is refused."""
    from app.cli.failures import Exit
    from app.cli.progress import waiting
    from app.cli.recipes import volume
    from mesh_tools.gate import Policy
    from mesh_tools.sandbox import Sandbox

    wanted = {
        "process": process,
        "units": units,
        "build_volume_mm": volume(build_volume) if build_volume else None,
    }
    policy = Policy.from_json(wanted)
    results: list[dict[str, Any]] = []
    with Sandbox() as sandbox:
        for path in files:
            with waiting(f"inspecting {path.name}", quiet=as_json), path.open("rb") as stream:
                pieces = iter(lambda: stream.read(1 << 20), b"")
                seen = sandbox.inspect(
                    pieces, filename=path.name, policy=policy, pictures=thumbnail is not None
                )
            results.append({"file": str(path), **seen.to_json()})
            if thumbnail is not None and seen.thumbnail_png is not None:
                thumbnail.write_bytes(seen.thumbnail_png)
            if not as_json:
                _draw(results[-1])
    if as_json:
        emit(results)
    if any(result["verdict"] != "pass" for result in results):
        raise typer.Exit(Exit.REFUSED)


def _draw(result: dict[str, Any]) -> None:
    geometry = result.get("geometry") or {}
    size = f", {geometry['facets']} facets, {geometry['volume_mm3']:.1f} mm³" if geometry else ""
    seconds = f", {result['seconds']:.2f} s"
    say(
        f"{coloured(result['verdict'])}  [bold]{plain(result['file'])}[/]  "
        + plain(result["format"] + size + seconds)
    )
    findings(result["findings"])
