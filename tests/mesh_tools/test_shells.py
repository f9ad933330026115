from __future__ import annotations

import numpy as np
import pytest

from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate
from tests.mesh_tools.shapes import Shape

_CODES = {"mesh.cavities", "mesh.inverted", "mesh.zero_volume"}


def _small(x: float, y: float, z: float, size: float = 2) -> Shape:
    return shapes.box(size, size, size, at=(x, y, z))


def _hole(x: float, y: float, z: float, size: float = 2) -> Shape:
    return shapes.inverted(_small(x, y, z, size))


def _codes(gate: Gate, *parts: Shape) -> dict[str, int]:
    data = shapes.stl_binary(shapes.corners(shapes.joined(*parts)))
    found = {row.code: row.count for row in gate.inspect(data).findings}
    return {code: found[code] for code in found.keys() & _CODES}


class TestShells:
    def test_call_a_void_in_matter_a_cavity(self, gate: Gate) -> None:
        assert _codes(gate, shapes.box(), _hole(4, 4, 4), _hole(4, 12, 4)) == {"mesh.cavities": 2}

    @pytest.mark.parametrize("at", [(-1, -1, -1), (14, 14, -3)], ids=["in the ring's hole", "beside it"])
    def test_call_a_shell_inside_out_where_no_matter_is(
        self, gate: Gate, at: tuple[float, float, float]
    ) -> None:
        """Within the bounds of the ring, yet not in it: to a slicer it would be solid or nothing."""
        assert _codes(gate, shapes.torus(), _hole(*at)) == {"mesh.inverted": 1}

    def test_call_a_void_in_a_void_inside_out(self, gate: Gate) -> None:
        found = _codes(gate, shapes.box(20, 20, 20), _hole(5, 5, 5, 10), _hole(8, 8, 8))
        assert found == {"mesh.cavities": 1, "mesh.inverted": 1}

    def test_take_a_solid_with_a_void_within_a_void(self, gate: Gate) -> None:
        parts = (shapes.box(20, 20, 20), _hole(4, 4, 4, 12), _small(6, 6, 6, 8), _hole(8, 8, 8))
        assert _codes(gate, *parts) == {"mesh.cavities": 2}

    def test_find_a_sheet_however_far_it_lies(self, gate: Gate) -> None:
        """Two fans over one pentagon with other diagonals: every edge is matched, nothing is enclosed."""
        rim = np.array([(3, 0, 0), (1, 3, 0), (-3, 2, 0), (-3, -2, 0), (1, -3, 0)]) * 0.1 + (70, 80, 90.7)
        facets = np.array([(0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 3, 2), (1, 4, 3), (1, 0, 4)])
        assert _codes(gate, shapes.box(), (rim, facets)) == {"mesh.zero_volume": 1}
