"""`partvault mesh`: the gate on files at hand, without a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import mesh_diff, mesh_render
from app.cli.measures import measures
from app.cli.mesh_policy import BuildVolume, PolicyFile, Process, Units, policy_of
from app.cli.options import Json, group
from app.cli.output import coloured, console, emit, findings, plain, say, table
from app.cli.print_files import read_blocks

if TYPE_CHECKING:
    from mesh_tools.inspect import Inspection

commands = group("mesh", "The gate, on files at hand")
commands.command()(mesh_render.render)
commands.command()(mesh_diff.diff)
commands.command()(mesh_diff.canonical)


@commands.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Print files", exists=True, dir_okay=False, readable=True)
    ],
    policy: PolicyFile = None,
    process: Process = None,
    build_volume: BuildVolume = None,
    units: Units = None,
    sarif: Annotated[Path | None, typer.Option(help="Write the findings as SARIF 2.1.0 too")] = None,
    as_json: Json = False,
) -> None:
    """Inspect files in the sandbox as the service would; exit code 1 where one is refused."""
    from app.cli.failures import Exit
    from app.cli.progress import counting
    from mesh_tools.sandbox import Sandbox

    wanted = policy_of(policy, process, build_volume, units)
    seen: list[tuple[Path, Inspection]] = []
    with Sandbox() as sandbox, counting("inspecting", len(files), quiet=as_json) as advance:
        for path in files:
            inspection = sandbox.inspect(read_blocks(path), filename=path.name, policy=wanted, pictures=False)
            seen.append((path, inspection))
            advance(1)
    if sarif is not None:
        _write_sarif(sarif, seen)
    if as_json:
        emit([{"file": str(path), **inspection.to_json()} for path, inspection in seen])
    else:
        for path, inspection in seen:
            _draw(path, inspection)
        if len(seen) > 1:
            _draw_table(seen)
    if any(inspection.verdict != "pass" for _, inspection in seen):
        raise typer.Exit(Exit.REFUSED)


def _write_sarif(target: Path, seen: list[tuple[Path, Inspection]]) -> None:
    from app.cli.sarif import sarif

    target.write_text(json.dumps(sarif(seen), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _draw(path: Path, inspection: Inspection) -> None:
    size = "".join(f", {text}" for text in measures(inspection.to_json()).values())
    words = f"{inspection.format}{size}, {inspection.seconds:.2f} s"
    say(f"{coloured(inspection.verdict)}  [bold]{plain(path)}[/]  {plain(words)}")
    findings(found.to_json() for found in inspection.findings)


def _draw_table(seen: list[tuple[Path, Inspection]]) -> None:
    rows: list[dict[str, Any]] = [{"path": path, "seen": inspection} for path, inspection in seen]
    console().print(
        table(
            rows,
            {
                "verdict": lambda row: row["seen"].verdict,
                "file": lambda row: row["path"],
                "format": lambda row: row["seen"].format,
                "refused for": lambda row: ", ".join(sorted({found.code for found in row["seen"].reasons})),
            },
        )
    )
    passed = sum(inspection.verdict == "pass" for _, inspection in seen)
    say(f"{passed} of {len(seen)} pass")
