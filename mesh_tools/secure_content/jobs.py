"""What a sandboxed child does for encrypted packages. It holds no key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mesh_tools.answer import Answer
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.secure_content.framing import read_framing
from mesh_tools.secure_content.geometry_part import geometry_part

PART_BLOB: Final = "part.model"


def secure_geometry(
    inputs: Sequence[memoryview], names: Sequence[str], options: Mapping[str, Any], limits: Limits
) -> Answer:
    """Read one file and write its triangles as a model part; `unit_mm` where its format carries no unit."""
    part = geometry_part(load(inputs[0], names[0], limits), float(options["unit_mm"]))
    return Answer({"unit": part.unit}, {PART_BLOB: part.xml})


def secure_framing(
    inputs: Sequence[memoryview], _names: Sequence[str], _options: Mapping[str, Any], limits: Limits
) -> Answer:
    """Read how an encrypted package is put together: a `Framing` as JSON."""
    return Answer(read_framing(inputs[0], limits).to_json())
