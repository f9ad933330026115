from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.intersections.frame import frame_of, turned
from tests.mesh_tools.intersections.surfaces import OVERLAPPING, marks, soup
from tests.mesh_tools.intersections.surfaces import turned as placed_anyhow
from tests.mesh_tools.shapes import Shape, box, cylinder, inverted, joined, sphere


def askew(shape: Shape, seed: int = 1) -> Shape:
    return placed_anyhow(shape[0], np.random.default_rng(seed)), shape[1]


class TestFrame:
    @pytest.mark.parametrize("shape", [box(), sphere(), cylinder(50, 200, 500)], ids=["box", "sphere", "rod"])
    def test_keeps_the_files_axes_where_they_fit(self, shape: Shape) -> None:
        assert frame_of(soup(shape)) is None

    @pytest.mark.parametrize("seed", range(4))
    def test_follows_slivers_and_keeps_the_hand(self, seed: int) -> None:
        shape = cylinder(50, 200, 500)
        body = soup(askew(shape, seed))
        frame = frame_of(body)
        assert frame is not None
        assert np.linalg.det(frame) == pytest.approx(1)
        along = turned(body.points.astype(np.float64).transpose(1, 2, 0), frame)
        assert np.allclose(sorted(np.ptp(along, axis=(0, 2))), [100, 100, 200], atol=0.1)

    @pytest.mark.parametrize("seed", range(3))
    def test_changes_no_answer(self, seed: int) -> None:
        rod, pin = cylinder(50, 200, 300), box(4, 5, 6, (3, 2, 90))
        hollow = joined(rod, inverted(_raised(cylinder(30, 100, 12), 50)), pin)
        for shape, found in (
            (rod, {}),
            (joined(rod, pin), {OVERLAPPING: set(range(len(rod[1]), len(rod[1]) + 12))}),
            (hollow, {}),
        ):
            assert frame_of(soup(askew(shape, seed))) is not None
            assert marks(soup(askew(shape, seed))) == found

    def test_keeps_a_part_of_many_slivers_within_the_budget(self) -> None:
        assert marks(soup(askew(cylinder(50, 200, 3000)))) == {}


def _raised(shape: Shape, height: float) -> Shape:
    return shape[0] + (0, 0, height), shape[1]
