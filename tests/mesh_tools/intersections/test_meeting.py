from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mesh_tools.intersections.meeting import CROSSING, FOLDED, OVERLAID, TOUCHING, apart, meeting
from tests.mesh_tools.intersections import exact

FLAT = [(0, 0, 0), (4, 0, 0), (0, 4, 0)]


def rows(triangles: NDArray[Any]) -> NDArray[np.float64]:
    """(m, 3, 3) as (3 corners, 3 axes, m)."""
    return np.ascontiguousarray(triangles.transpose(1, 2, 0), np.float64)


def kind_of(first: Any, second: Any, tolerance: float = 1e-6) -> int:
    pair = rows(np.array([first], float)), rows(np.array([second], float))
    there, back = meeting(*pair, tolerance, 1e-6), meeting(*pair[::-1], tolerance, 1e-6)
    assert there[0] == back[0]
    return int(there[0])


def kind_by_oracle(first: Any, second: Any) -> int:
    a, b = exact.exact(first), exact.exact(second)
    if exact.crossing(a, b):
        return CROSSING
    if exact.in_one_plane(a, b) and exact.overlaid(a, b):
        return OVERLAID if exact.facing(a, b) else FOLDED
    return TOUCHING


def random_pairs(seed: int, reach: int, count: int = 1500) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles with area on a small lattice; a third shares a corner, some of them an edge."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, reach, (2, count, 3, 3))
    share = rng.random(count)
    second[share < 0.3, 0] = first[share < 0.3, 1]
    second[share < 0.15, 1] = first[share < 0.15, 0]
    areas = [
        np.cross(part[:, 1] - part[:, 0], part[:, 2] - part[:, 0]).any(axis=1) for part in (first, second)
    ]
    both = areas[0] & areas[1]
    return first[both], second[both]


class TestMeeting:
    @pytest.mark.parametrize("reach", [2, 3, 5, 9])
    def test_agrees_with_exact_arithmetic(self, reach: int) -> None:
        first, second = random_pairs(reach, reach)
        kinds = meeting(rows(first), rows(second), 1e-6, 1e-6)
        expected = [kind_by_oracle(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
        assert kinds.tolist() == expected
        assert CROSSING in expected or reach == 2

    def test_agrees_far_from_the_origin(self) -> None:
        first, second = random_pairs(7, 4, 400)
        far = np.array([3e6, -2e6, 1e6])
        near = meeting(rows(first), rows(second), 1e-6, 1e-6)
        assert meeting(rows(first + far), rows(second + far), 1e-6, 1e-6).tolist() == near.tolist()

    @pytest.mark.parametrize(
        ("second", "kind"),
        [
            ([(1, 1, -1), (1, 1, 1), (9, 9, 1)], CROSSING),
            ([(1, 1, 0), (1, 1, 1), (2, 1, 1)], TOUCHING),
            ([(2, 0, 0), (2, 0, 3), (3, 0, 3)], TOUCHING),
            ([(0, 0, 0), (4, 0, 0), (0, -4, 0)], TOUCHING),
            ([(0, 0, 0), (4, 0, 0), (1, 1, 0)], OVERLAID),
            ([(4, 0, 0), (0, 0, 0), (1, 1, 0)], FOLDED),
            ([(4, 0, 0), (0, 0, 0), (1, 1, 1)], TOUCHING),
            ([(1, 1, 0.5), (2, 1, 0.5), (1, 2, 0.5)], TOUCHING),
            (FLAT, OVERLAID),
        ],
        ids=["through", "corner on", "edge on", "beside", "on it", "folded", "hinged", "above", "same"],
    )  # fmt: skip
    def test_knows(self, second: Any, kind: int) -> None:
        assert kind_of(FLAT, second) == kind

    def test_measures_the_depth(self) -> None:
        second = [(1, 1, -0.01), (1, 1, 3), (2, 1, 3)]
        assert kind_of(FLAT, second, tolerance=0.009) == CROSSING
        assert kind_of(FLAT, second, tolerance=0.011) == TOUCHING

    def test_is_not_misled_by_slivers(self) -> None:
        sliver = [(1, 1, -1), (1, 1, 1), (1 + 1e-12, 1, 1)]
        assert kind_of(FLAT, sliver, tolerance=1e-14) in {CROSSING, TOUCHING}
        assert kind_of([(0, 0, 0), (4, 0, 0), (2, 1e-13, 0)], [(0, 0, 0), (4, 0, 0), (2, 2, 0)]) == TOUCHING


class TestApart:
    def test_never_parts_what_meets(self) -> None:
        first, second = random_pairs(11, 4)
        parted = apart(rows(first), rows(second))
        kinds = np.array([kind_by_oracle(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)])
        assert parted.any()
        assert not (parted & (kinds != TOUCHING)).any()

    def test_says_nothing_of_a_facet_without_area(self) -> None:
        point = rows(np.ones((1, 3, 3)))
        assert not apart(point, rows(np.array([FLAT]))).any()
