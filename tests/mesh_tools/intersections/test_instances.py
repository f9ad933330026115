from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.intersections import intersections
from mesh_tools.model import IDENTITY, Body, Model, Placement
from tests.mesh_tools.intersections.surfaces import OVERLAPPING, marks, soup
from tests.mesh_tools.shapes import Shape, box, inverted, joined, sphere, torus


def moved(x: float, y: float = 0, z: float = 0) -> Placement:
    placement = IDENTITY.copy()
    placement[3] = (x, y, z)
    return placement


def placed(shape: Shape, *placements: Placement) -> Body:
    return Body(shape[0], shape[1].astype(np.int32), placements)


class TestInstances:
    def test_apart_are_fine(self) -> None:
        assert marks(placed(sphere(), *(moved(21 * k) for k in range(20)))) == {}

    def test_that_touch_face_to_face_are_fine(self) -> None:
        assert marks(placed(box(10, 10, 10), moved(0), moved(10), moved(10, 10))) == {}

    def test_of_one_body_that_cut_each_other_are_found(self) -> None:
        assert marks(placed(sphere(), moved(0), moved(30), moved(19))).keys() == {OVERLAPPING}

    def test_in_one_place_are_found(self) -> None:
        assert marks(placed(box(), *[moved(3)] * 4000)) == {OVERLAPPING: set(range(12))}

    def test_are_not_all_compared_when_very_many_overlap(self) -> None:
        crowd = placed(box(10, 10, 10), *(moved(k * 1e-2) for k in range(4000)))
        marked, stopped = intersections(Model("test", [crowd]), 1.0)
        assert marked.finding.message.startswith("At least")
        assert [marked.finding.code, stopped.finding.code] == [OVERLAPPING, "limit.facet_pairs"]

    def test_of_two_bodies_mark_the_facets_of_both(self) -> None:
        model = Model("test", [soup(box(30, 30, 30)), soup(box(30, 5, 5, (10, 10, 10)))])
        found = {row.body: set(row.facets.tolist()) for row in intersections(model, 1.0)}
        assert found.keys() == {0, 1}
        assert found[0] == {10}

    @pytest.mark.parametrize(("depth", "codes"), [(5e-4, set()), (2e-3, {OVERLAPPING})])
    def test_touch_up_to_the_tolerance_of_the_whole_bodies(self, depth: float, codes: set[str]) -> None:
        fine = sphere(20, 101, 200)
        wall = box(1, 39, 41, (0, -20, -20))
        assert marks(placed(fine, IDENTITY), placed(wall, moved(20 - depth))).keys() == codes

    def test_that_lie_in_material_are_found(self) -> None:
        model = Model("test", [soup(box(30, 30, 30)), placed(box(5, 5, 5), moved(10, 10, 10))])
        assert [(row.body, len(row.facets)) for row in intersections(model, 1.0)] == [(1, 12)]

    def test_that_are_half_sunk_in_along_edges_are_found(self) -> None:
        model = Model("test", [soup(box(40, 40, 10, (-20, -20, -10))), placed(sphere(5, 5, 9), IDENTITY)])
        assert {row.body for row in intersections(model, 1.0)} == {1}

    def test_that_lie_in_a_cavity_are_fine(self) -> None:
        hollow = soup(joined(box(30, 30, 30), inverted(box(20, 20, 20, (5, 5, 5)))))
        assert marks(hollow, placed(box(5, 5, 5), moved(10, 10, 10))) == {}

    def test_linked_rings_are_fine_and_tight_ones_are_not(self) -> None:
        ring = torus(12, 3, 40, 20)
        upright = np.array([(1, 0, 0), (0, 0, 1), (0, -1, 0), (12, 0, 0)], float)
        assert marks(placed(ring, IDENTITY, upright)) == {}
        tight = upright.copy()
        tight[3, 0] = 22
        assert marks(placed(ring, IDENTITY, tight)).keys() == {OVERLAPPING}

    @pytest.mark.parametrize("scale", [0.5, 3.0])
    def test_are_judged_as_they_are_scaled_and_mirrored(self, scale: float) -> None:
        mirrored = IDENTITY.copy()
        mirrored[:3] *= scale * np.diag([-1, 1, 1])
        mirrored[3] = (10 * scale + 10, 0, 0)
        assert marks(placed(box(10, 10, 10), IDENTITY, mirrored)) == {}
        mirrored[3, 0] -= 0.01
        assert marks(placed(box(10, 10, 10), IDENTITY, mirrored)).keys() == {OVERLAPPING}
