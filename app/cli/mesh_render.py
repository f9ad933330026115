"""`partvault mesh render`: pictures of a print file, drawn in the sandbox without a GPU or a display."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.mesh_policy import BuildVolume, PolicyFile, Process, Units, policy_of
from app.cli.options import Json
from app.cli.output import emit, plain, say
from app.cli.print_files import read_blocks


class View(StrEnum):
    """What can be drawn; the names are those of `mesh_tools.views`."""

    THUMBNAIL = "thumbnail"
    SHEET = "sheet"
    FINDINGS = "findings"
    SECTION = "section"
    PREVIEW = "preview"


class Axis(StrEnum):
    """What a section's plane stands across."""

    X = "x"
    Y = "y"
    Z = "z"


def render(
    file: Annotated[Path, typer.Argument(help="Print file", exists=True, dir_okay=False, readable=True)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The picture's file [FILE's name and the view's]")
    ] = None,
    view: Annotated[
        View,
        typer.Option(
            help="sheet: four views · findings: what the gate found, on the part · section: cut open · "
            "preview: a coarse GLB to turn in a viewer"
        ),
    ] = View.SHEET,
    axis: Annotated[Axis, typer.Option(help="Section: the plane stands across this axis")] = Axis.Y,
    at: Annotated[float | None, typer.Option(help="Section: its place in mm [the middle]")] = None,
    policy: PolicyFile = None,
    process: Process = None,
    build_volume: BuildVolume = None,
    units: Units = None,
    as_json: Json = False,
) -> None:
    """Draw a print file as PNG: four views, the findings painted on the part, a section, or a coarse GLB."""
    from app.cli.progress import waiting
    from mesh_tools.sandbox import Sandbox
    from mesh_tools.views import FILES

    wanted = policy_of(policy, process, build_volume, units)
    name = FILES[view.value]
    target = out or file.with_name(f"{file.stem}-{name}")
    options = {"view": view.value, "policy": wanted.to_json(), "axis": axis.value, "at_mm": at}
    with Sandbox() as sandbox, waiting(f"drawing {file.name}", quiet=as_json):
        drawn = sandbox.run("render", [(file.name, read_blocks(file))], options)
    target.write_bytes(drawn.blobs[name])
    if as_json:
        emit({"file": str(target), "view": view.value, "bytes": len(drawn.blobs[name])})
    else:
        say(f"{plain(target)}  {plain(f'{len(drawn.blobs[name]):,} bytes')}")
