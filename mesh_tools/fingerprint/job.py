"""The fingerprint as a job of the sandbox: a file in, the vector out as a blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mesh_tools.answer import Answer
from mesh_tools.comparison.solid import Solid
from mesh_tools.fingerprint.asked import BLOB
from mesh_tools.fingerprint.measure import fingerprint
from mesh_tools.limits import Limits
from mesh_tools.load import load


def fingerprint_file(
    inputs: Sequence[memoryview], names: Sequence[str], options: Mapping[str, Any], limits: Limits
) -> Answer:
    """The fingerprint of one input; `unit_mm` is the unit of formats without one. Raises Refused."""
    solid = Solid.of_model(load(inputs[0], names[0], limits), options["unit_mm"])
    return Answer({}, {BLOB: fingerprint(solid).to_bytes()})
