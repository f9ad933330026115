"""The child's answer on the pipe: a frame of strict JSON and a picture, read by a parent that trusts nothing.

Frame: magic `PVA1`, two big-endian uint32 lengths (JSON, PNG), the JSON, the PNG; then the end.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NoReturn

from mesh_tools.findings import Finding, Geometry, Report

EXIT_FAILED, EXIT_MEMORY, EXIT_UNCONFINED = 70, 71, 72
"""Exit codes of a child that gives no answer: it broke, ran out of memory, could not be confined."""

_HEAD = struct.Struct(">4sII")
_MAGIC = b"PVA1"
_PNG = b"\x89PNG\r\n\x1a\n"
_FIELDS = {"format", "unit_known", "findings", "geometry"}


def encode(report: Report) -> bytes:
    """The frame of `report`."""
    value = {
        "format": report.format,
        "unit_known": report.unit_known,
        "findings": [found.to_json() for found in report.findings],
        "geometry": None if report.geometry is None else report.geometry.to_json(),
    }
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    picture = report.thumbnail_png or b""
    return _HEAD.pack(_MAGIC, len(text), len(picture)) + text + picture


def decode(frame: bytes) -> Report:
    """Read a frame; ValueError on any byte, value or type that `encode` would not have written."""
    if len(frame) < _HEAD.size:
        raise ValueError(f"the answer has only {len(frame)} bytes")
    magic, text_bytes, picture_bytes = _HEAD.unpack_from(frame)
    if magic != _MAGIC or len(frame) != _HEAD.size + text_bytes + picture_bytes:
        raise ValueError("the answer's frame is wrong")
    text = frame[_HEAD.size : _HEAD.size + text_bytes]
    picture = frame[_HEAD.size + text_bytes :]
    if picture and not picture.startswith(_PNG):
        raise ValueError("the picture is not PNG")
    value = json.loads(text.decode(), parse_constant=_no_constant)
    if not isinstance(value, dict) or set(value) != _FIELDS:
        raise ValueError(f"expected an object with exactly {sorted(_FIELDS)}")
    return _report(value, picture or None)


def _report(value: dict[str, Any], picture: bytes | None) -> Report:
    if not isinstance(value["format"], str) or len(value["format"]) > 32:
        raise ValueError("format must be a short text")
    if not isinstance(value["unit_known"], bool) or not isinstance(value["findings"], list):
        raise ValueError("unit_known must be a boolean and findings a list")
    findings = tuple(Finding.from_json(row) for row in value["findings"])
    geometry = None if value["geometry"] is None else Geometry.from_json(value["geometry"])
    return Report(value["format"], value["unit_known"], findings, geometry, picture)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
