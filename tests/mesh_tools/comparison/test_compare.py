from __future__ import annotations

import numpy as np
import pytest
from manifold3d import Manifold
from scipy.spatial.transform import Rotation

from mesh_tools.comparison.compare import compare
from mesh_tools.comparison.solid import Solid
from tests.mesh_tools.comparison.exports import bisected, moved, ordered_anew
from tests.mesh_tools.comparison.parts import Design, bracket, facets_of
from tests.mesh_tools.shapes import Shape, box, cylinder, inverted, joined, sphere, torus


def solid(shape: Shape) -> Solid:
    return Solid(shape[0][shape[1]].astype(float))


def master() -> Solid:
    return Solid(facets_of(bracket(Design(32))))


RANDOM = 7


class TestCompare:
    def test_same_facets_in_another_order_are_the_same(self) -> None:
        found = compare(master(), Solid(ordered_anew(master().corners, np.random.default_rng(RANDOM))))
        assert (found.kind, found.motion, found.places) == ("same", None, ())

    def test_other_facets_of_the_same_surface_are_remeshed(self) -> None:
        found = compare(master(), Solid(bisected(master().corners, np.random.default_rng(RANDOM))))
        assert found.kind == "remeshed"

    def test_a_moved_copy_is_moved_and_told_how(self) -> None:
        turn = Rotation.from_euler("xyz", [20, -35, 70], degrees=True)
        shift = np.array([12.0, -7.0, 90.0])
        found = compare(
            master(), Solid(turn.apply(master().corners.reshape(-1, 3)).reshape(-1, 3, 3) + shift)
        )
        assert found.kind == "moved"
        assert found.motion is not None
        told = found.motion.to_json()
        assert np.allclose(told["linear"], turn.as_matrix().T, atol=1e-5)
        assert np.allclose(told["shift_mm"], shift, atol=1e-3)

    @pytest.mark.parametrize("factor", [25.4, 0.1, 1.01, 0.995])
    def test_another_scale_is_rescaled_by_its_factor(self, factor: float) -> None:
        found = compare(master(), Solid(master().corners * factor))
        assert found.kind == "rescaled"
        assert found.motion is not None
        assert found.motion.to_json()["factor"] == pytest.approx(factor, rel=1e-4)

    def test_the_mirror_image_is_mirrored(self) -> None:
        found = compare(master(), Solid((master().corners * (-1, 1, 1))[:, ::-1]))
        assert found.kind == "mirrored"

    @pytest.mark.parametrize("shape", [box(), cylinder(), torus()])
    def test_the_mirror_image_of_a_symmetric_part_is_that_part(self, shape: Shape) -> None:
        centred = Solid(solid(shape).corners - solid(shape).bounds.mean(axis=0))
        assert compare(centred, Solid((centred.corners * (1, -1, 1))[:, ::-1])).accepted

    def test_a_symmetric_part_turned_is_moved(self) -> None:
        cube = solid(box(20, 20, 20))
        assert compare(cube, Solid(moved(cube.corners, np.random.default_rng(RANDOM)))).kind == "moved"

    def test_a_void_is_found_where_it_is(self) -> None:
        void = inverted(sphere(0.5))
        at = np.array([5.0, 12.0, 20.0])
        found = compare(solid(box()), solid(joined(box(), (void[0] + at, void[1]))))
        assert found.kind == "altered"
        assert len(found.places) == 1
        assert np.allclose(found.places[0].centre_mm, at, atol=0.05)
        assert found.places[0].change == "missing"
        assert found.places[0].distance_mm == pytest.approx(5, abs=0.6)

    def test_a_part_altered_and_moved_is_altered_at_its_place_in_the_master(self) -> None:
        bump = Manifold.cube([2, 2, 2]).translate([30, 20, 4])
        bumped = facets_of(bracket(Design(32)) + bump)
        found = compare(master(), Solid(moved(bumped, np.random.default_rng(RANDOM))))
        assert found.kind == "altered"
        assert np.allclose(found.places[0].centre_mm, (31, 21, 5.5), atol=0.6)
        assert found.places[0].change == "added"

    def test_a_part_inside_out_is_altered(self) -> None:
        found = compare(master(), Solid(np.ascontiguousarray(master().corners[:, ::-1])))
        assert found.kind == "altered"
        assert {place.change for place in found.places} == {"turned"}

    def test_a_surface_that_stands_twice_is_altered_although_none_of_it_lies_off(self) -> None:
        found = compare(master(), Solid(np.concatenate([master().corners, master().corners])))
        assert found.kind == "altered"
        assert "surface" not in found.reasons
        assert {"volume", "area", "section"} <= set(found.reasons)

    def test_a_slit_thinner_than_the_tolerance_just_below_the_skin_is_altered(self) -> None:
        slit = inverted(box(4, 4, 0.004, at=(3, 3, 29.99)))
        found = compare(solid(box()), solid(joined(box(), slit)))
        assert found.kind == "altered"
        assert found.places[0].change == "turned"

    def test_the_file_cannot_widen_its_own_tolerance(self) -> None:
        coarse, fine = solid(cylinder(20, 12, 24)), solid(cylinder(20, 12, 160))
        assert compare(coarse, fine).accepted
        assert compare(fine, coarse).kind == "altered"
