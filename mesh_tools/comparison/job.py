"""The comparison as a job of the sandbox: two files in, plain JSON values out."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from mesh_tools.answer import Answer
from mesh_tools.comparison.compare import compare
from mesh_tools.comparison.result import Comparison
from mesh_tools.comparison.solid import Solid
from mesh_tools.limits import Limits
from mesh_tools.load import load


def compare_files(
    inputs: Sequence[memoryview], names: Sequence[str], options: Mapping[str, Any], limits: Limits
) -> Answer:
    """Compare the second input with the first, the approved master.

    `unit_mm` and `master_unit_mm` are the units of formats that carry none. Equal bytes are `identical`, and
    are not read. Raises Refused for what cannot be read.
    """
    digests = [sha256(data).digest() for data in inputs[:2]]
    if hmac.compare_digest(*digests) and options["unit_mm"] == options["master_unit_mm"]:
        return Answer(Comparison("identical").to_json())
    master, file = (
        Solid.of_model(load(data, name, limits), unit)
        for data, name, unit in zip(
            inputs, names, (options["master_unit_mm"], options["unit_mm"]), strict=True
        )
    )
    return Answer(compare(master, file).to_json())
