from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_tools.policy.policy import Policy
from mesh_tools.policy.words import Rotations
from mesh_tools.printability.footprint import least_excess
from mesh_tools.printability.hull import hull_outline
from tests.mesh_tools import shapes
from tests.mesh_tools.printability.bodies import judged, rotation, turned

Room = tuple[float, float, float]


def _codes(shape: shapes.Shape, room: Room, rotations: Rotations) -> set[str]:
    found = judged(shape, policy=Policy(build_volume_mm=room, rotations=rotations))
    return {code for code in found.codes if code.startswith("build.")}


def _about_z(shape: shapes.Shape, degrees: float) -> shapes.Shape:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return shape[0] @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]]), shape[1]


class TestBuildVolume:
    @pytest.mark.parametrize(
        ("size", "rotations", "codes"),
        [
            ((10, 20, 30), "none", set()),
            ((20, 10, 30), "none", {"build.too_large"}),
            ((20, 10, 30), "about_z", {"build.turned"}),
            ((10, 30, 20), "about_z", {"build.too_large"}),
            ((10, 30, 20), "any_axis", {"build.turned"}),
            ((1, 1, 35), "any_axis", {"build.too_large"}),
            ((1, 1, 35), "any", {"build.turned"}),
            ((20, 1, 1), "about_z", {"build.turned"}),
            ((21, 1, 1), "about_z", {"build.turned"}),
            ((22, 1, 1), "about_z", {"build.too_large"}),
            ((9, 9, 36), "any", {"build.too_large"}),
        ],
    )
    def test_of_a_box(self, size: Room, rotations: Rotations, codes: set[str]) -> None:
        assert _codes(shapes.box(*size), (10, 20, 30), rotations) == codes

    @pytest.mark.parametrize("degrees", [3.0, 30.0, 45.0, 77.7])
    def test_finds_the_turn_about_the_vertical_that_just_fits(self, degrees: float) -> None:
        aslant = _about_z(shapes.box(10, 20, 30), degrees)
        assert _codes(aslant, (10.00001, 20.00001, 30), "none") == {"build.too_large"}
        assert _codes(aslant, (10.00001, 20.00001, 30), "about_z") == {"build.turned"}
        assert _codes(aslant, (9.99, 20.00001, 30), "about_z") == {"build.too_large"}

    def test_lays_a_long_bar_across(self) -> None:
        """A bar of width w and length l fits a square of side (w + l) / √2 at 45°, and no smaller one."""
        side = (1 + 30) / math.sqrt(2)
        bar = shapes.box(30, 1, 1)
        assert _codes(bar, (side + 1e-5, side + 1e-5, 5), "about_z") == {"build.turned"}
        assert _codes(bar, (side - 1e-3, side - 1e-3, 5), "about_z") == {"build.too_large"}

    @pytest.mark.parametrize("seed", range(4))
    def test_finds_a_tilt_with_little_to_spare(self, seed: int) -> None:
        assert _codes(turned(shapes.box(10, 20, 30), seed), (10.3, 20.3, 30.3), "any") == {"build.turned"}

    def test_says_that_it_searched(self) -> None:
        policy = Policy(build_volume_mm=(19.9, 50, 50), rotations="any")
        found = judged(shapes.sphere(10, 60, 60), policy=policy).get("build.too_large")
        assert found is not None
        assert "search" in found.message

    def test_judges_an_open_part_too(self) -> None:
        points, facets = shapes.box(10, 20, 30)
        assert _codes((points, facets[1:]), (30, 20, 10), "any_axis") == {"build.turned"}
        assert _codes((points, facets[1:]), (9, 9, 9), "any") == {"build.too_large"}

    def test_takes_a_flat_part_by_its_box(self) -> None:
        sheet = (
            np.array([(0, 0, 0), (30, 0, 0), (30, 1, 0), (0, 1, 0)], float),
            np.array([(0, 1, 2), (0, 2, 3)]),
        )
        assert _codes(sheet, (22, 22, 5), "about_z") == {"build.turned"}
        assert _codes(sheet, (21, 21, 5), "about_z") == {"build.too_large"}


class TestFootprint:
    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=3, max_size=12, unique=True),
        st.floats(1, 40),
        st.floats(1, 40),
    )
    def test_is_no_worse_than_any_angle_tried(
        self, points: list[tuple[float, float]], width: float, depth: float
    ) -> None:
        outline = hull_outline(np.array(points))
        least, angle = least_excess(outline, width, depth)
        tried = [_excess(outline, turn, width, depth) for turn in np.linspace(0, math.pi, 721)]
        assert least <= min(tried) + 1e-9
        assert _excess(outline, angle, width, depth) == pytest.approx(least, abs=1e-9)


def _excess(
    outline: np.ndarray[tuple[int, ...], np.dtype[np.float64]], turn: float, width: float, depth: float
) -> float:
    cosine, sine = math.cos(turn), math.sin(turn)
    moved = outline @ np.array([[cosine, sine], [-sine, cosine]])
    return float(max(np.ptp(moved[:, 0]) - width, np.ptp(moved[:, 1]) - depth))


class TestRotation:
    def test_of_the_tests_is_one(self) -> None:
        turn = rotation(1)
        assert np.allclose(turn @ turn.T, np.eye(3))
        assert np.linalg.det(turn) == pytest.approx(1)
