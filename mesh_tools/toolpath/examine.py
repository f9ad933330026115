"""One toolpath: recognised, unpacked, read as its machine would, and held to what that machine can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from mesh_tools.errors import Refused
from mesh_tools.findings import Finding, finding
from mesh_tools.limits import Limits
from mesh_tools.threemf.archive import Archive
from mesh_tools.toolpath.bgcode import MAGIC, gcode_pieces
from mesh_tools.toolpath.judge import within
from mesh_tools.toolpath.machine import Corner, MachineLimits
from mesh_tools.toolpath.plates import holds_plates, plate_pieces
from mesh_tools.toolpath.reader import read_gcode
from mesh_tools.toolpath_record import Toolpath

EXTENSIONS = {"gcode": (".gcode", ".gco", ".g", ".gc"), "bgcode": (".bgcode",), "gcode.3mf": (".3mf",)}
_ZIP = b"PK\x03\x04"
_PIECE = 1 << 20


def toolpath_format(data: memoryview, filename: str, limits: Limits) -> str | None:
    """Which of EXTENSIONS the bytes are, or None; plain text is a toolpath where it is called one."""
    if bytes(data[:4]) == MAGIC:
        return "bgcode"
    if bytes(data[:4]) == _ZIP:
        try:
            return "gcode.3mf" if holds_plates(Archive(data, limits)) else None
        except Refused:
            return None
    return "gcode" if _extension(filename) in EXTENSIONS["gcode"] and len(data) else None


def examine_toolpath(
    data: memoryview,
    form: str,
    filename: str,
    limits: Limits,
    machine: MachineLimits | None,
    build_volume_mm: Corner | None,
) -> tuple[Toolpath | None, tuple[Finding, ...]]:
    """Read and judge `data`, which is of `form`; without figures there is always a finding that refuses.

    Without a machine nothing can be said of a toolpath: that is a refusal.
    """
    if machine is None:
        return None, (finding("toolpath.no_machine", "The policy does not say which machine is to run it."),)
    try:
        toolpath, findings = read_gcode(_pieces(data, form, limits), machine)
    except Refused as refusal:
        return None, (finding(refusal.code, refusal.message),)
    extension = _extension(filename)
    if extension and extension not in EXTENSIONS[form]:
        message = f"The file is {form}, its name ends in {extension[:16]}."
        findings = (*findings, finding("format.mismatch", message))
    if toolpath is None:
        return None, findings
    return toolpath, (*findings, *within(toolpath, machine, build_volume_mm))


def _extension(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).suffix.lower()


def _pieces(data: memoryview, form: str, limits: Limits) -> Iterator[bytes]:
    if form == "bgcode":
        yield from gcode_pieces(data, limits)
    elif form == "gcode.3mf":
        yield from plate_pieces(Archive(data, limits), limits)
    else:
        for start in range(0, len(data), _PIECE):
            yield bytes(data[start : start + _PIECE])
