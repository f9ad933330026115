"""Which turn a direction gives, and how much room a box takes once it is turned."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.errors import PolicyInvalid
from mesh_tools.orientation import ROUNDING_MM, rotation_to, standing_box

SIZE = (20.0, 30.0, 10.0)
COORDINATES = st.floats(-1e3, 1e3).filter(lambda value: abs(value) > 1e-3)
UP = st.tuples(COORDINATES, COORDINATES, COORDINATES)
UPRIGHT: list[Any] = [None, [0, 0, 1], [0.0, 0.0, 2.5], (0, 0, 5e-324), [0, 0, sys.float_info.max]]
NO_DIRECTIONS: list[Any] = [
    *("up", "001", 1, True, {}, {"up": [0, 0, 1]}, []),
    *([0, 0], [0, 0, 0], [0.0, -0.0, 0], [0, 0, 1, 0], [0, 0, 1, "x"], [[0, 0, 1]]),
    *([0, 0, "1"], [0, 0, True], [0, None, 1]),
    *([float("nan"), 0, 1], [0, 1, float("nan")], [float("inf"), 0, 1], [10**400, 0, 1]),
]


class TestRotationTo:
    @pytest.mark.parametrize("up", UPRIGHT)
    def test_leaves_a_part_as_it_stands(self, up: Any) -> None:
        assert rotation_to(up) is None

    @pytest.mark.parametrize("up", NO_DIRECTIONS)
    def test_refuses_what_is_no_direction(self, up: Any) -> None:
        with pytest.raises(PolicyInvalid, match="not the direction") as caught:
            rotation_to(up)
        assert caught.value.field == "orientation"

    def test_shows_only_the_beginning_of_what_it_refuses(self) -> None:
        with pytest.raises(PolicyInvalid) as caught:
            rotation_to("x" * 10_000)
        assert len(caught.value.message) < 200

    @given(UP)
    def test_turns_the_direction_upwards_and_nothing_inside_out(self, up: tuple[float, float, float]) -> None:
        rotation = np.array(rotation_to(list(up)))
        assert rotation @ up == pytest.approx([0, 0, np.linalg.norm(up)], abs=1e-6)
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)

    @pytest.mark.parametrize("lean", [10.0**-power for power in range(1, 12)])
    def test_is_a_turn_also_close_to_upside_down(self, lean: float) -> None:
        rotation = np.array(rotation_to([lean, lean / 3, -1]))
        assert rotation @ rotation.T == pytest.approx(np.eye(3), abs=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1)

    @pytest.mark.parametrize("length", [5e-324, 1e-200, 1, 10**300, sys.float_info.max])
    def test_does_not_depend_on_the_directions_length(self, length: float) -> None:
        assert rotation_to([length, -length, length]) == rotation_to([1, -1, 1])


class TestStandingBox:
    @pytest.mark.parametrize("up", UPRIGHT)
    def test_is_its_very_size_as_its_file_has_it(self, up: Any) -> None:
        assert standing_box(SIZE, up) == SIZE

    @pytest.mark.parametrize(
        ("up", "expected"),
        [
            ([1, 0, 0], (10, 30, 20)),
            ([-3, 0, 0], (10, 30, 20)),
            ([0, 1, 0], (20, 10, 30)),
            ([0, -1, 0], (20, 10, 30)),
            ([0, 0, -1], (20, 30, 10)),
        ],
    )
    def test_is_the_part_lying_on_another_side(self, up: Any, expected: tuple[float, ...]) -> None:
        assert standing_box(SIZE, up) == pytest.approx([side + ROUNDING_MM for side in expected])

    def test_is_the_box_around_the_turned_box(self) -> None:
        high = sum(SIZE) / 3**0.5
        assert standing_box(SIZE, [1, 1, 1])[2] == pytest.approx(high + ROUNDING_MM)

    @pytest.mark.parametrize("up", NO_DIRECTIONS)
    def test_is_refused_where_nothing_points_up(self, up: Any) -> None:
        with pytest.raises(PolicyInvalid):
            standing_box(SIZE, up)
