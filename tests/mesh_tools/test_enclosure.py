from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.enclosure import windings
from mesh_tools.model import Body
from tests.mesh_tools import shapes
from tests.mesh_tools.shapes import Shape


def _windings(*parts: Shape) -> list[int]:
    """The windings of the others round each part."""
    points, facets = shapes.joined(*parts)
    shell = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    body = Body(points, facets.astype(np.int32))
    return windings(body, shell, np.arange(len(parts))).tolist()


def _hole(*parts: float) -> Shape:
    x, y, z = parts
    return shapes.inverted(shapes.box(1, 1, 1, at=(x, y, z)))


class TestWindings:
    def test_are_one_in_matter(self) -> None:
        assert _windings(shapes.box(), _hole(2, 2, 2)) == [0, 1]

    def test_are_none_beside_matter_within_its_bounds(self) -> None:
        assert _windings(shapes.torus(), _hole(-0.5, -0.5, -0.5)) == [0, 0]

    def test_are_none_in_a_hole(self) -> None:
        outer = shapes.inverted(shapes.box(4, 4, 4, at=(2, 2, 2)))
        assert _windings(shapes.box(), outer, _hole(3, 3, 3)) == [0, 1, 0]

    def test_add_up(self) -> None:
        assert _windings(shapes.box(), shapes.box(9, 9, 9, at=(0.5, 0.5, 0.5)), _hole(2, 2, 2)) == [0, 1, 2]

    def test_count_edges_and_corners_above_once(self) -> None:
        """The cube's diagonal and the pyramid's tip stand exactly above the hole's topmost corner."""
        ball = shapes.sphere(radius=10, rings=9, segments=8)
        points, facets = shapes.inverted(shapes.box(1, 1, 1, at=(-1, -1, -1)))
        assert _windings(ball, (points, facets)) == [0, 1]

    def test_pass_over_facets_that_take_no_part(self) -> None:
        points, facets = shapes.box()
        body = Body(points, np.vstack([facets, [[0, 0, 1]]]).astype(np.int32))
        shell = np.append(np.zeros(len(facets), np.int64), -1)
        assert windings(body, shell, np.array([0])).tolist() == [0]

    @given(
        x=st.floats(-30, 30), y=st.floats(-30, 30), z=st.floats(-30, 30), around=st.integers(3, 40),
        across=st.integers(3, 30),
    )  # fmt: skip
    def test_agree_with_the_ring_itself(self, x: float, y: float, z: float, around: int, across: int) -> None:
        """A tiny tetrahedron in or beside a ring, by its distance from the ring's centre line."""
        small = 1e-6
        tetrahedron = (
            np.vstack([np.zeros(3), np.eye(3)]) * small + (x, y, z),
            np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
        )
        distance = np.hypot(np.hypot(x, y) - 12, z)
        blunt = np.cos(np.pi / around) * np.cos(np.pi / across)
        inside = distance < 4 * np.cos(np.pi / across) - (1 - blunt) * 16 - small
        outside = distance > 4 + (1 - np.cos(np.pi / around)) * 16 + small
        found = _windings(shapes.torus(around=around, across=across), tetrahedron)[1]
        if inside or outside:
            assert found == int(inside)
        assert found in (0, 1)

    @pytest.mark.parametrize("count", [1, 50])
    def test_of_many_in_one(self, count: int) -> None:
        holes = [_hole(2 + 1.5 * n, 3, 3) for n in range(count)]
        assert _windings(shapes.box(2 * count + 10, 10, 10), *holes) == [0, *[1] * count]
