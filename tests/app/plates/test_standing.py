"""The room of a part that its recipe turns: never less than what the agent makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.plates.standing import ROUNDING_MM, box_standing
from printer_agent.slicing.orientation import rotation_of, turned
from tests.e2e.parts import box

SIZE = (20.0, 30.0, 10.0)
COORDINATES = st.floats(-1.0, 1.0)
UP = st.tuples(COORDINATES, COORDINATES, COORDINATES).filter(lambda up: np.linalg.norm(up) > 1e-3)
SIDES = st.tuples(*[st.floats(0.5, 400.0)] * 3)
_RECORD = np.dtype([("vectors", "<f4", (4, 3)), ("attribute", "<u2")])


def made_by_the_agent(size: tuple[float, float, float], up: tuple[float, float, float]) -> list[float]:
    """The sides of a box that the agent turned."""
    rotation = rotation_of({"orientation": list(up)})
    stl = box(size) if rotation is None else turned(box(size), rotation)
    corners = np.frombuffer(stl, _RECORD, offset=84)["vectors"][:, 1:].reshape(-1, 3)
    return [float(side) for side in np.ptp(corners.astype(np.float64), axis=0)]


class TestBoxStanding:
    @pytest.mark.parametrize("up", [None, [0, 0, 1], [0.0, 0.0, 2.5]])
    def test_is_its_very_size_as_its_file_has_it(self, up: Any) -> None:
        assert box_standing(SIZE, up) == SIZE

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
        assert box_standing(SIZE, up) == pytest.approx([side + ROUNDING_MM for side in expected])

    @pytest.mark.parametrize(
        "up", ["up", 1, [], [0, 0], [0, 0, 0], [0, 0, "1"], [0, 0, float("nan")], [float("inf"), 0, 0]]
    )
    def test_is_none_where_nothing_points_up(self, up: Any) -> None:
        assert box_standing(SIZE, up) is None

    @given(SIDES, UP)
    def test_holds_what_the_agent_turns(
        self, size: tuple[float, float, float], up: tuple[float, float, float]
    ) -> None:
        judged = box_standing(size, list(up))
        assert judged is not None
        made = made_by_the_agent(size, up)
        assert all(
            real - 1e-4 <= side <= real + 2 * ROUNDING_MM for real, side in zip(made, judged, strict=True)
        )
