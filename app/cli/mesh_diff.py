"""`partvault mesh diff` and `partvault mesh canonical`: is it the approved part, and its one true file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.mesh_policy import Units
from app.cli.options import Json
from app.cli.output import console, emit, fields, plain, say, table
from app.cli.print_files import read_blocks

_FILE = typer.Argument(help="Print file", exists=True, dir_okay=False, readable=True)
_MEANING = {
    "identical": "the same bytes",
    "same": "the same facets, within the tolerance",
    "remeshed": "the same surface in other facets, within the tolerance",
    "moved": "the same part, turned or shifted",
    "rescaled": "the same part in another size",
    "mirrored": "the part's mirror image",
    "altered": "another shape",
}


def diff(
    master: Annotated[
        Path, typer.Argument(help="The approved file", exists=True, dir_okay=False, readable=True)
    ],
    file: Annotated[Path, _FILE],
    master_units: Annotated[str | None, typer.Option(help="Unit of the master, if it carries none")] = None,
    units: Units = None,
    as_json: Json = False,
) -> None:
    """Compare a file's shape with its approved master's; exit code 1 where shape or size is another."""
    from app.cli.failures import Exit
    from app.cli.progress import waiting
    from mesh_tools.comparison.words import checked
    from mesh_tools.sandbox import Sandbox

    options = {"master_unit_mm": _unit_mm(master_units), "unit_mm": _unit_mm(units)}
    sources = [(path.name, read_blocks(path)) for path in (master, file)]
    with Sandbox() as sandbox, waiting(f"comparing {file.name}", quiet=as_json):
        found = checked(sandbox.run("compare", sources, options).value)
    if as_json:
        emit({"master": str(master), "file": str(file), **found})
    else:
        _draw(file, found)
    if not found["accepted"]:
        raise typer.Exit(Exit.REFUSED)


def canonical(
    file: Annotated[Path, _FILE],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="STL file [FILE-canonical.stl]")] = None,
    units: Units = None,
    as_json: Json = False,
) -> None:
    """Write a part's canonical form: one shape, one file; exit code 1 where the form is not sound."""
    from app.cli.failures import Exit
    from app.cli.progress import waiting
    from mesh_tools.canonical_words import FILE, checked
    from mesh_tools.sandbox import Sandbox

    target = out or file.with_name(f"{file.stem}-canonical.stl")
    with Sandbox() as sandbox, waiting(f"ordering {file.name}", quiet=as_json):
        answer = sandbox.run(
            "canonical",
            [(file.name, read_blocks(file))],
            {"unit_mm": _unit_mm(units)},
            answer_bytes_max=sandbox.limits.file_bytes_max,
        )
    form = checked(answer)
    target.write_bytes(answer.blobs[FILE])
    if as_json:
        emit({"file": str(target), **form})
    else:
        fields(str(target), form)
    if not form["sound"]:
        raise typer.Exit(Exit.REFUSED)


def _unit_mm(unit: str | None) -> float:
    from mesh_tools.gate import Policy

    return Policy.from_json({"units": unit}).unit_mm


def _draw(file: Path, found: dict[str, Any]) -> None:
    colour = "green" if found["accepted"] else "red"
    say(f"[{colour}]{found['kind']}[/]  [bold]{plain(file)}[/]  {_MEANING[found['kind']]}")
    if found["kind"] == "identical":
        return
    say(f"  furthest {found['distance_mm']:.4g} mm, tolerance on flat faces {found['tolerance_mm']:.4g} mm")
    if found["motion"] is not None:
        motion = found["motion"]
        shift = ", ".join(f"{axis:.3f}" for axis in motion["shift_mm"])
        mirrored = ", mirrored" if motion["mirrored"] else ""
        say(
            f"  turned by {motion['angle_deg']:.3f}°, shifted by {shift} mm,"
            f" × {motion['factor']:.6g}{mirrored}"
        )
    for words, rows, columns in (
        ("places", found["places"], _PLACE_COLUMNS),
        ("measures", [{"of": of, **row} for of, row in found["measures"].items()], _MEASURE_COLUMNS),
    ):
        if rows:
            say(f"  {words}")
            console().print(table(rows, columns))


def _point(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


_PLACE_COLUMNS = {
    "middle, mm": lambda row: _point(row["centre_mm"]),
    "extent, mm": lambda row: _point(row["size_mm"]),
    "distance, mm": lambda row: f"{row['distance_mm']:.3f}",
    "material": lambda row: row["change"],
}
_MEASURE_COLUMNS = {
    "": lambda row: row["of"],
    "facets": lambda row: row["facets"],
    "vertices": lambda row: row["vertices"],
    "shells": lambda row: row["shells"],
    "Euler number": lambda row: row["euler_number"],
    "volume, mm³": lambda row: f"{row['volume_mm3']:.3f}",
    "area, mm²": lambda row: f"{row['area_mm2']:.3f}",
}
