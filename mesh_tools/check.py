"""Checks files from the command line and for commands: a path in, an inspection out.

`python -m mesh_tools check FILE…` prints one line a file and its findings; exit code 0 when all pass, 1 when
one is refused, 2 when a file cannot be read or the arguments are wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from mesh_tools.errors import PolicyInvalid
from mesh_tools.findings import Inspection
from mesh_tools.gate import PROCESSES, UNITS_MM, Policy
from mesh_tools.sandbox import Sandbox

_BLOCK = 1 << 20


def check_file(sandbox: Sandbox, path: Path, policy: Policy, *, pictures: bool = False) -> Inspection:
    """Inspect the file at `path`; OSError when it cannot be read."""
    return sandbox.inspect(read_blocks(path), filename=path.name, policy=policy, pictures=pictures)


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of `path`, a MiB at a time."""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run the command; returns the exit code."""
    stream = out or sys.stdout
    chosen = _parser().parse_args(arguments)
    try:
        policy = _policy(chosen)
    except PolicyInvalid as error:
        stream.write(f"{error}\n")
        return 2
    refused = False
    with Sandbox() as sandbox:
        for path in chosen.files:
            try:
                inspection = check_file(sandbox, path, policy, pictures=chosen.pictures is not None)
            except OSError as error:
                stream.write(f"{path}: {error.strerror}\n")
                return 2
            refused |= inspection.verdict == "refuse"
            stream.write(_json_line(path, inspection) if chosen.json else _text(path, inspection))
            if chosen.pictures is not None and inspection.thumbnail_png is not None:
                (chosen.pictures / f"{path.stem}.png").write_bytes(inspection.thumbnail_png)
    return int(refused)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mesh_tools", description="Judge print files as the gate does.")
    commands = parser.add_subparsers(required=True, metavar="check")
    check = commands.add_parser("check", help="inspect files and say whether they may be printed")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.add_argument("--process", default="MEX", choices=PROCESSES)
    check.add_argument("--units", choices=sorted(UNITS_MM), help="unit of formats that carry none")
    check.add_argument("--build-volume", nargs=3, type=float, metavar=("X", "Y", "Z"), help="mm")
    check.add_argument("--json", action="store_true", help="one JSON object a line")
    check.add_argument("--pictures", type=Path, metavar="FOLDER", help="write a thumbnail of each file")
    return parser


def _policy(chosen: argparse.Namespace) -> Policy:
    room = chosen.build_volume
    return Policy(
        process=chosen.process, units=chosen.units, build_volume_mm=None if room is None else tuple(room)
    )


def _json_line(path: Path, inspection: Inspection) -> str:
    return json.dumps({"file": str(path), **inspection.to_json()}, ensure_ascii=False) + "\n"


def _text(path: Path, inspection: Inspection) -> str:
    head = f"{inspection.verdict.upper():6} {path}  {inspection.format}, {inspection.bytes} bytes"
    lines = [f"{head}, {_summary(inspection)}"]
    for found in inspection.findings:
        where = (
            "" if found.sample is None else " at " + ", ".join(f"{axis:.3g}" for axis in found.sample) + " mm"
        )
        lines.append(f"  {found.severity:6} {found.code}: {found.message}{where}")
        if found.severity == "refuse":
            lines.append(f"         {found.advice}")
    return "\n".join(lines) + "\n"


def _summary(inspection: Inspection) -> str:
    geometry = inspection.geometry
    if geometry is None:
        return f"{inspection.seconds:.2f} s"
    size = " × ".join(f"{side:.4g}" for side in geometry.size_mm)
    return f"{geometry.facets} facets, {size} mm, {geometry.volume_mm3:.6g} mm³, {inspection.seconds:.2f} s"
