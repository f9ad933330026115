"""The canonical form as a job of the sandbox: a file in, its form out as a blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mesh_tools.answer import Answer
from mesh_tools.canonical import canonical_form
from mesh_tools.canonical_words import FILE
from mesh_tools.comparison.solid import Solid
from mesh_tools.limits import Limits
from mesh_tools.load import load


def canonical_file(
    inputs: Sequence[memoryview], names: Sequence[str], options: Mapping[str, Any], limits: Limits
) -> Answer:
    """The canonical form of one input as the blob `FILE`; `unit_mm` is the unit of formats without one."""
    form = canonical_form(Solid.of_model(load(inputs[0], names[0], limits), options["unit_mm"]))
    return Answer(form.to_json(), {FILE: form.data})
