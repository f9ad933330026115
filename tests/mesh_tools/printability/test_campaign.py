"""Thin walls and narrow gaps planted at random in random good parts: none missed, none seen where none is."""

from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.policy.policy import Policy
from tests.mesh_tools import shapes
from tests.mesh_tools.printability import bodies
from tests.mesh_tools.printability.bodies import judged, turned
from tests.mesh_tools.shapes import Shape

_LIMIT = 1.0
_POLICY = Policy(wall_mm_min=_LIMIT, gap_mm_min=_LIMIT)
_CODES = {"wall.thin", "gap.thin"}


def _good(random: np.random.Generator) -> Shape:
    """A part with walls and gaps of 2 mm and more, within 25 mm of the origin, in coarse or fine facets."""
    size = random.uniform(5, 20, 3)
    many = int(random.integers(12, 80))
    kinds = (
        lambda: shapes.box(*size),
        lambda: shapes.cylinder(size[0] / 2, size[1], many),
        lambda: shapes.sphere(size[0] / 2, many, many),
        lambda: shapes.torus(size[0] / 2 + 5, 3, many, max(12, many // 2)),
        lambda: bodies.tube(size[0] / 2, size[0] / 2 + 3, size[1], max(24, many)),
        lambda: bodies.comb(2.5, tooth=2.5, teeth=3, height=size[2] / 2),
        lambda: bodies.wedge(float(random.uniform(35, 60)), 12, size[2]),
    )
    return kinds[int(random.integers(len(kinds)))]()


def _thin_wall(thickness: float) -> Shape:
    """A block with a void that leaves a membrane of this thickness on one side."""
    void = shapes.box(4, 4, 4, at=(100 + thickness, 103, 103))
    return shapes.joined(shapes.box(12, 10, 10, at=(100, 100, 100)), shapes.inverted(void))


def _narrow_gap(width: float) -> Shape:
    """Two blocks this far apart."""
    low = shapes.box(8, 8, 8, at=(100, 100, 100))
    return shapes.joined(low, shapes.box(8, 8, 8, at=(108 + width, 100, 100)))


def _codes(shape: Shape, seed: int) -> set[str]:
    return judged(turned(shape, seed), policy=_POLICY).codes & _CODES


def _plant(seed: int) -> None:
    random = np.random.default_rng(seed)
    good = _good(random)
    assert _codes(good, seed) == set()
    below, above = float(random.uniform(0.01, 0.97)), float(random.uniform(1.0, 3.0))
    assert _codes(shapes.joined(good, _thin_wall(below)), seed) == {"wall.thin"}
    assert _codes(shapes.joined(good, _narrow_gap(below)), seed) == {"gap.thin"}
    assert _codes(shapes.joined(good, _thin_wall(above)), seed) == set()
    assert _codes(shapes.joined(good, _narrow_gap(above)), seed) == set()


class TestCampaign:
    @pytest.mark.parametrize("seed", range(10))
    def test_misses_nothing_and_makes_nothing_up(self, seed: int) -> None:
        _plant(seed)

    @pytest.mark.slow
    def test_misses_nothing_and_makes_nothing_up_in_long_runs(self) -> None:
        for seed in range(10, 500):
            _plant(seed)
