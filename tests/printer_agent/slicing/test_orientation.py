"""The recipe's orientation: which turns it gives, and what they do to a shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.orientation import ROUNDING_MM, rotation_to, standing_box
from printer_agent.errors import GateRefused
from printer_agent.slicing.orientation import laid, rotation_of, turned
from tests.e2e.parts import box

COORDINATES = st.floats(-1e3, 1e3).filter(lambda value: abs(value) > 1e-3)
UP = st.tuples(COORDINATES, COORDINATES, COORDINATES)


def points(stl: bytes) -> Any:
    facets = np.frombuffer(stl, np.dtype([("vectors", "<f4", (4, 3)), ("attribute", "<u2")]), offset=84)
    return facets["vectors"][:, 1:].astype(np.float64)


def sides(stl: bytes) -> list[float]:
    corners = points(stl).reshape(-1, 3)
    return [round(float(side), 4) for side in corners.max(axis=0) - corners.min(axis=0)]


def volume(stl: bytes) -> float:
    a, b, c = (points(stl)[:, corner] for corner in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


class TestRotationOf:
    @pytest.mark.parametrize("recipe", [{}, {"orientation": None}, {"orientation": [0, 0, 2.5]}])
    def test_leaves_a_part_as_it_stands(self, recipe: dict[str, Any]) -> None:
        assert rotation_of(recipe) is None

    def test_is_the_turn_to_the_recipes_direction(self) -> None:
        assert rotation_of({"orientation": [1, 2, -3]}) == rotation_to([1, 2, -3])

    @pytest.mark.parametrize("orientation", ["up", [0, 0, 0], [0, 0, True]])
    def test_refuses_what_is_no_direction(self, orientation: Any) -> None:
        with pytest.raises(GateRefused, match="followed: the orientation is") as caught:
            rotation_of({"orientation": orientation})
        assert caught.value.kind == "recipe_orientation"


class TestTurned:
    @pytest.mark.parametrize(
        ("orientation", "expected"),
        [([1, 0, 0], [3, 2, 1]), ([0, -1, 0], [1, 3, 2]), ([0, 0, -1], [1, 2, 3]), ([-5, 0, 0], [3, 2, 1])],
    )
    def test_lays_a_box_on_its_side(self, orientation: list[int], expected: list[float]) -> None:
        rotation = rotation_of({"orientation": orientation})
        assert rotation is not None
        made = turned(box((1, 2, 3)), rotation)
        assert sides(made) == expected
        assert (volume(made), points(made)[..., 2].min()) == (pytest.approx(6), 0)

    @given(UP)
    def test_keeps_the_volume_and_stands_on_the_plate(self, up: tuple[float, float, float]) -> None:
        rotation = rotation_of({"orientation": list(up)})
        assert rotation is not None
        made = turned(box((10, 20, 30)), rotation)
        assert volume(made) == pytest.approx(6000, rel=1e-4)
        assert points(made)[..., 2].min() == pytest.approx(0, abs=1e-5)
        assert len(made) == len(box((10, 20, 30)))

    @given(st.tuples(*[st.floats(0.5, 400.0)] * 3), UP)
    def test_takes_the_room_that_was_reckoned_and_hardly_less(
        self, size: tuple[float, float, float], up: tuple[float, float, float]
    ) -> None:
        rotation = rotation_of({"orientation": list(up)})
        assert rotation is not None
        made = np.ptp(points(turned(box(size), rotation)).reshape(-1, 3), axis=0)
        reckoned = standing_box(size, list(up))
        assert all(real <= room <= real + 2 * ROUNDING_MM for real, room in zip(made, reckoned, strict=True))


class TestLaid:
    @pytest.mark.parametrize(
        ("room", "expected"),
        [
            ((5, 9, 2), [5, 9, 2]),  # as it is
            ((9, 9, 9), [5, 9, 2]),
            ((9, 5, 2), [9, 5, 2]),  # only across
            ((9, 4, 2), [5, 9, 2]),  # either way not
            ((9, 5, 1), [5, 9, 2]),
            ((2, 5, 9), [5, 9, 2]),  # never upended
        ],
    )
    def test_turns_a_part_across_where_it_fits_only_so(
        self, room: tuple[float, float, float], expected: list[float]
    ) -> None:
        part = box((5, 9, 2))
        made = laid(part, room)
        assert sides(made) == expected
        assert volume(made) == pytest.approx(90)
        assert (made == part) is (expected == [5, 9, 2])

    def test_leaves_nothing_as_it_is(self) -> None:
        assert laid(bytes(84), (1, 1, 1)) == bytes(84)
