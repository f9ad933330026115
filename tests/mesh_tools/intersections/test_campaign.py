"""Good meshes and planted crossings at random sizes, turns and places; the slow run has many more of them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.mesh_tools.intersections.surfaces import CROSSING, GOOD, OVERLAPPING, marks, soup, turned
from tests.mesh_tools.shapes import Shape, box, cylinder, inverted, joined, sphere, torus

SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 150))]


def random_good(rng: np.random.Generator) -> Shape:
    """A sound part of 20 to 2000 mm, stretched and turned at random."""
    points, facets = GOOD[str(rng.choice(sorted(GOOD)))]
    stretched = points * rng.uniform(0.5, 2, 3) * 10 ** rng.uniform(0, 2)
    return turned(stretched, rng), facets


def random_round(rng: np.random.Generator) -> Shape:
    """A ball, ring or rod, finely faceted."""
    shapes = (
        sphere(10, int(rng.integers(6, 30)), int(rng.integers(8, 50))),
        torus(12, rng.uniform(2, 6), int(rng.integers(12, 60)), int(rng.integers(6, 30))),
        cylinder(6, 12, int(rng.integers(6, 60))),
    )
    return shapes[rng.integers(3)]


class TestGood:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_finds_nothing(self, seed: int) -> None:
        assert marks(soup(random_good(np.random.default_rng(seed)))) == {}


class TestPlanted:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_finds_a_vertex_pushed_out_through_the_other_side(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        points, facets = random_round(rng)
        vertex = rng.integers(len(points))
        far = points[np.linalg.norm(points - points[vertex], axis=1).argmax()]
        pushed = points.copy()
        pushed[vertex] = points[vertex] + rng.uniform(1.2, 2) * (far - points[vertex])
        assert CROSSING in marks(soup((turned(pushed, rng), facets)))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_finds_a_second_shell_in_the_wall_or_in_the_material(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        points, facets = random_round(rng)
        facet = facets[rng.integers(len(facets))]
        middle = points[facet].mean(axis=0)
        small = box(1, 1, 1, tuple(middle - rng.uniform(0.05, 0.95, 3)))
        both = joined((points, facets), small)
        assert marks(soup((turned(both[0], rng), both[1]))).keys() == {OVERLAPPING}

    @pytest.mark.parametrize("seed", SEEDS)
    def test_tells_a_solid_in_a_cavity_from_one_in_material(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        hollow = joined(sphere(10, 14, 24), inverted(sphere(6, 10, 18)))
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        depth, expected = (rng.uniform(0, 4), set()) if seed % 2 else (rng.uniform(7.2, 8.2), {OVERLAPPING})
        pin = box(1, 1, 1, tuple(depth * direction - 0.5))
        points, facets = joined(hollow, pin)
        assert marks(soup((turned(points, rng), facets))).keys() == expected
