"""Which format is it? Decided by the bytes; the name only earns a warning when it says otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from mesh_tools import stl
from mesh_tools.amf import is_amf, load_amf
from mesh_tools.errors import Refused
from mesh_tools.findings import finding
from mesh_tools.foreign import KINDS, kind_of, load_foreign
from mesh_tools.limits import Limits
from mesh_tools.model import Model
from mesh_tools.threemf.reader import load_3mf
from mesh_tools.toolpath.examine import toolpath_format

_STEP = b"ISO-10303-21;"
_EXTENSIONS = {
    "stl-binary": {".stl"},
    "stl-ascii": {".stl"},
    "3mf": {".3mf"},
    "amf": {".amf"},
    **{kind: {"." + kind} for kind in KINDS},
}


def load(data: memoryview, filename: str, limits: Limits) -> Model:
    """Read `data` into a model; raises Refused for what is not a sound file of a known format."""
    if not len(data):
        raise Refused("input.empty", "The file has no bytes.")
    if toolpath_format(data, filename, limits) is not None:
        raise Refused("format.toolpath", "The file is a toolpath: it says how to move, not which shape.")
    extension = PurePosixPath(filename.replace("\\", "/")).suffix.lower()
    model = _read(data, extension, limits)
    expected = _EXTENSIONS[model.format]
    if extension and extension not in expected:
        message = f"The file is {model.format}, its name ends in {extension[:16]}."
        return replace(model, findings=(*model.findings, finding("format.mismatch", message)))
    return model


def _is_step(data: memoryview) -> bool:
    """Whether the bytes are a CAD model in clear text (ISO 10303-21)."""
    return bytes(data[:256]).lstrip().upper().startswith(_STEP)


def format_of(data: memoryview, filename: str) -> str:
    """The format the bytes look like, for the report on a file that could not be read."""
    extension = PurePosixPath(filename.replace("\\", "/")).suffix.lower()
    if is_amf(data, extension, Limits()):
        return "amf"
    if bytes(data[:4]) == b"PK\x03\x04" or extension == ".3mf":
        return "3mf"
    if _is_step(data):
        return "step"
    kind = kind_of(data, extension)
    if kind is not None:
        return kind
    if stl.looks_ascii(data) and not _has_binary(data):
        return "stl-ascii"
    return "stl-binary" if stl.is_binary(data) or extension == ".stl" else "unknown"


def _read(data: memoryview, extension: str, limits: Limits) -> Model:
    if is_amf(data, extension, limits):
        return load_amf(data, limits)
    if bytes(data[:4]) == b"PK\x03\x04" or extension == ".3mf":
        return load_3mf(data, limits)
    if _is_step(data):
        message = "The file is a STEP model (ISO 10303-21): it may be kept, but has no facets to print."
        raise Refused("format.not_printable", message)
    kind = kind_of(data, extension)
    if kind is not None:
        return load_foreign(data, kind, limits)
    if stl.is_binary(data):
        return stl.load_binary(data, limits)
    if stl.looks_ascii(data) and not _has_binary(data):
        return stl.load_ascii(data, limits)
    if extension == ".stl":
        return stl.load_binary(data, limits)
    raise Refused("format.unknown", "The bytes are of no format the gate knows.")


def _has_binary(data: memoryview) -> bool:
    return b"\0" in bytes(data[:1024])
