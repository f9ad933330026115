"""Loads, before any fork, everything an inspection imports lazily, by inspecting a tiny sound part."""

from __future__ import annotations

import numpy as np

from mesh_tools import stl
from mesh_tools.inspect import examine_file
from mesh_tools.limits import Limits


def warm_up() -> None:
    """Inspect one tetrahedron, with its picture."""
    corners = np.array([(0, 0, 0), (10, 0, 0), (0, 10, 0), (0, 0, 10)], "<f4")
    records = np.zeros(4, stl.RECORD)
    records["corners"] = corners[[[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]]
    data = bytes(80) + len(records).to_bytes(4, "little") + records.tobytes()
    examine_file(memoryview(data), filename="warm.stl", unit_mm=1.0, pictures=True, limits=Limits())
