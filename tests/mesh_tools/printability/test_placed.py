from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mesh_tools.findings import Geometry
from mesh_tools.model import Body, Placement
from mesh_tools.printability.placed import place
from tests.mesh_tools import shapes
from tests.mesh_tools.printability.bodies import judged, rotation


def _at(x: float, y: float, z: float, linear: Placement | None = None) -> Placement:
    return np.vstack([np.eye(3) if linear is None else linear, [[x, y, z]]])


def _corners(scale: float, *bodies: Body) -> NDArray[np.float64]:
    """What `place` shall give, but for the centre."""
    return np.concatenate(
        [
            scale * (body.corners(0, body.facet_count) @ m[:3] + m[3])
            for body in bodies
            for m in body.placements
        ]
    )


def _geometry(scale: float, *bodies: Body) -> Geometry:
    """Only the box matters."""
    points = _corners(scale, *bodies).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    return Geometry(0, 0, 0, 0, 0.0, 0.0, ((low[0], low[1], low[2]), (high[0], high[1], high[2])), True)


def _body(shape: shapes.Shape, *placements: Placement) -> Body:
    return Body(shape[0], shape[1].astype(np.int32), placements)


class TestPlace:
    def test_puts_every_instance_where_it_belongs(self) -> None:
        turn = rotation(4)
        first = _body(shapes.box(1, 2, 3), _at(0, 0, 0), _at(50, 0, 0, turn), _at(0, 70, 0))
        second = _body(shapes.sphere(5), _at(0, 0, 90))
        placed = place([first, second], 2.0, _geometry(2.0, first, second))
        assert placed.corners + placed.centre == pytest.approx(_corners(2.0, first, second), abs=1e-4)
        assert np.abs(placed.corners).max() == pytest.approx(placed.extent / 2)
        assert placed.bodies.tolist() == [0, 0, 0, 1]
        numbers, within = placed.origin_of(np.array([0, 11, 12, 35, 36, 37]))
        assert numbers.tolist() == [0, 0, 0, 0, 1, 1]
        assert within.tolist() == [0, 11, 0, 11, 0, 1]

    def test_keeps_normals_outward_when_mirrored(self) -> None:
        body = _body(shapes.sphere(5), _at(0, 0, 0, np.diag([-1.0, 1, 1])))
        placed = place([body], 1.0, _geometry(1.0, body))
        outward = np.einsum("ij,ij->i", placed.normals, placed.corners.mean(axis=1))
        assert (outward > 0).all()

    def test_places_one_of_each_where_all_are_too_many(self) -> None:
        body = _body(shapes.box(), *(_at(40 * n, 0, 0) for n in range(10)))
        assert len(place([body], 1.0, _geometry(1.0, body), facets_max=120).corners) == 120
        assert len(place([body], 1.0, _geometry(1.0, body), facets_max=119).corners) == 12


class TestManyInstances:
    def test_are_measured_together(self) -> None:
        grid = tuple(_at(10.05 * x, 20.05 * y, 0) for x in range(30) for y in range(30))
        found = judged(shapes.box(), placements=grid)
        assert found.geometry.gap_mm == pytest.approx((0.05, 0.05), abs=1e-3)
        assert found.geometry.wall_mm == pytest.approx((10, 10), abs=1e-3)

    def test_may_be_many_bodies_of_which_some_are_named(self) -> None:
        plates = [shapes.box(0.5, at=(0, 30 * number, 0)) for number in range(40)]
        thin = [row for row in judged(*plates).marked if row.finding.code == "wall.thin"]
        assert len(thin) == 16
        assert len({row.body for row in thin}) == 16


class TestTinyPart:
    @pytest.mark.parametrize("scale", [1e-6, 1e-41])
    def test_is_not_measured(self, scale: float) -> None:
        assert judged(shapes.box(), scale=scale).geometry.wall_mm is None
