from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.comparison.distance import nearest, point_triangle
from mesh_tools.comparison.pieces import Pieces
from mesh_tools.comparison.solid import Solid
from tests.mesh_tools.shapes import box, cylinder, torus

seeds = st.integers(0, 2**32 - 1)


def searched(point: np.ndarray, triangle: np.ndarray, steps: int = 400) -> float:
    """The distance by trying many points of the triangle."""
    u, v = np.meshgrid(np.linspace(0, 1, steps), np.linspace(0, 1, steps))
    kept = u + v <= 1
    u, v = u[kept][:, None], v[kept][:, None]
    places = triangle[0] + u * (triangle[1] - triangle[0]) + v * (triangle[2] - triangle[0])
    return float(np.linalg.norm(places - point, axis=1).min())


class TestPointTriangle:
    @given(seeds)
    def test_is_the_distance_to_the_nearest_of_its_points(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        point, triangle = random.normal(size=3) * 2, random.normal(size=(3, 3))
        found = point_triangle(point[None], triangle[None])[0]
        assert found <= searched(point, triangle) + 1e-12
        assert found >= searched(point, triangle) - 0.02

    def test_takes_a_facet_without_area_for_a_segment(self) -> None:
        flat = np.array([[(0.0, 0, 0), (4.0, 0, 0), (2.0, 0, 0)], [(1.0, 1, 1)] * 3])
        assert np.allclose(point_triangle(np.array([(3.0, 4, 0), (1.0, 1, 3)]), flat), (4, 2))


class TestNearest:
    @given(seeds, st.sampled_from([box(), torus(), cylinder(8, 60, 200)]))
    def test_agrees_with_every_facet_about_what_is_farther_than_enough(self, seed: int, shape: tuple) -> None:
        solid = Solid(shape[0][shape[1]].astype(float))
        random = np.random.default_rng(seed)
        on = solid.corners[random.integers(0, len(solid.corners), 20)].mean(axis=1)
        points = on + random.normal(size=on.shape) * random.choice([1e-3, 0.05, 2.0])
        truth = np.array(
            [point_triangle(np.tile(p, (len(solid.corners), 1)), solid.corners).min() for p in points]
        )
        enough = np.full(len(points), 0.05)
        found = nearest(points, Pieces.of(solid, 500), enough)
        assert ((found.distance > enough) == (truth > enough)).all()
        assert (found.distance >= truth - 1e-9).all()


class TestPieces:
    @given(seeds)
    def test_cover_the_surface_once(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        solid = Solid(random.normal(size=(30, 3, 3)) * random.choice([0.1, 1, 40], (30, 1, 3)))
        pieces = Pieces.of(solid, int(random.integers(1, 3000)))
        assert np.allclose(np.bincount(pieces.facet, pieces.areas, 30), solid.areas)
        lengths = np.linalg.norm(np.roll(pieces.corners, -1, axis=1) - pieces.corners, axis=2)
        assert lengths.max() <= pieces.edge
