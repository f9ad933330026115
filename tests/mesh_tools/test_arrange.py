"""Plates: parts in rows or where they are put, never upon each other, and one sound mesh of all of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.arrange import GAP_MM, Spot, box_at, misplaced, pack, require_placed, turned
from mesh_tools.arrange_job import arrange_files, arranged
from mesh_tools.canonical_words import FILE, checked
from mesh_tools.comparison.solid import Solid
from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.policy.policy import Policy
from mesh_tools.sandbox import Sandbox
from tests.app.parts import box

ROOM = (200.0, 150.0)
sides = st.tuples(st.floats(1, 120), st.floats(1, 120))


def solid(size: tuple[float, float, float]) -> Solid:
    return Solid.of_model(load(memoryview(box(size)), "box.stl", Limits()), 1.0)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class TestPack:
    @given(st.lists(sides, min_size=1, max_size=16))
    def test_what_is_packed_stands_on_the_bed_and_apart(self, sizes: list[tuple[float, float]]) -> None:
        spots = pack(sizes, ROOM)
        if spots is None:
            return
        assert misplaced(sizes, spots, ROOM) == {}
        boxes = [box_at(size, spot) for size, spot in zip(sizes, spots, strict=True)]
        for one, other in itertools.combinations(boxes, 2):
            apart_x = max(one.x, other.x) - min(one.x + one.width, other.x + other.width)
            apart_y = max(one.y, other.y) - min(one.y + one.depth, other.y + other.depth)
            assert max(apart_x, apart_y) >= GAP_MM - 1e-6

    @given(sides)
    def test_one_part_fits_if_its_box_does(self, size: tuple[float, float]) -> None:
        fits = any(w <= ROOM[0] and d <= ROOM[1] for w, d in (size, size[::-1]))
        assert (pack([size], ROOM) is not None) == fits

    def test_turns_parts_where_that_makes_them_fit(self) -> None:
        spots = pack([(140.0, 60.0)] * 3, (195.0, 150.0))
        assert spots is not None
        assert {spot.turn_deg for spot in spots} == {90.0}

    def test_says_when_there_is_no_room(self) -> None:
        assert pack([(150.0, 100.0)] * 2, ROOM) is None


class TestMisplaced:
    @pytest.mark.parametrize(
        ("spots", "wrong"),
        [
            ([Spot(0, 0), Spot(20, 0)], {}),
            ([Spot(0, 0), Spot(19.9, 0)], {1: "upon part 0"}),
            ([Spot(0, 0), Spot(0, 30)], {}),
            ([Spot(181, 0), Spot(0, 0)], {0: "leaves the bed"}),
            ([Spot(180, 0), Spot(0, 0)], {}),
            ([Spot(171, 0, 90), Spot(0, 0)], {0: "leaves the bed"}),
            ([Spot(0, -1), Spot(50, 0)], {0: "leaves the bed"}),
        ],
    )
    def test_names_parts_and_why(self, spots: list[Spot], wrong: dict[int, str]) -> None:
        found = misplaced([(20.0, 30.0)] * 2, spots, ROOM)
        assert found.keys() == wrong.keys()
        assert all(word in found[place] for place, word in wrong.items())
        if wrong:
            with pytest.raises(Refused, match=f"Part {min(wrong)}"):
                require_placed([(20.0, 30.0)] * 2, spots, ROOM)

    @given(sides, st.floats(0, 359.9))
    def test_a_turned_part_is_never_larger_than_its_turned_box(
        self, size: tuple[float, float], turn_deg: float
    ) -> None:
        made = arranged([solid((*size, 5))], [Spot(0, 0, turn_deg)], (500, 500, 10))
        assert (made.bounds[1][:2] <= np.array(turned(size, turn_deg)) + 1e-4).all()


class TestArranged:
    def test_parts_stand_on_the_bed_at_their_spots(self) -> None:
        made = arranged(
            [solid((20, 30, 10)), solid((5, 5, 5))], [Spot(10, 20, 90), Spot(100, 100)], (200, 200, 50)
        )
        assert made.bounds.tolist() == [[10, 20, 0], [105, 105, 10]]
        assert made.shells == 2
        assert made.volume == pytest.approx(20 * 30 * 10 + 125)
        first = made.corners[:12].reshape(-1, 3)
        assert (first.max(axis=0) - first.min(axis=0)).tolist() == [30, 20, 10]

    def test_refuses_what_is_too_high(self) -> None:
        with pytest.raises(Refused, match="high"):
            arranged([solid((20, 30, 60))], [Spot(0, 0)], (200, 200, 50))

    def test_refuses_parts_upon_each_other(self) -> None:
        with pytest.raises(Refused, match="upon part 0"):
            arranged([solid((20, 30, 10))] * 2, [Spot(0, 0), Spot(10, 10)], (200, 200, 50))


class TestJob:
    OPTIONS: ClassVar[dict[str, Any]] = {
        "spots": [Spot(0, 0).to_json(), Spot(40, 0, 90).to_json(), Spot(0, 60, 30).to_json()],
        "room_mm": [200, 200, 50],
        "unit_mm": [1.0, 1.0, 1.0],
    }

    def test_makes_one_mesh_that_the_gate_passes(self, sandbox: Sandbox) -> None:
        files = [("a.stl", [box()]), ("b.stl", [box((10, 20, 5))]), ("c.stl", [box((7, 7, 7))])]
        answer = sandbox.run("arrange", files, self.OPTIONS)
        form = checked(answer)
        assert form["sound"]
        assert form["facets"] == 36
        assert hashlib.sha256(answer.blobs[FILE]).hexdigest() == form["sha256"]
        policy = Policy(build_volume_mm=(200, 200, 50), rotations="none", units="mm", canonical=True)
        seen = sandbox.inspect([answer.blobs[FILE]], filename="plate.stl", policy=policy, pictures=False)
        assert seen.verdict == "pass", seen.reasons

    def test_sixteen_files_are_one_job(self, sandbox: Sandbox) -> None:
        spots = pack([(20.0, 30.0)] * 16, ROOM)
        assert spots is not None
        options = {"spots": [s.to_json() for s in spots], "room_mm": [*ROOM, 50], "unit_mm": [1.0] * 16}
        answer = sandbox.run("arrange", [("part.stl", [box()])] * 16, options)
        assert checked(answer)["facets"] == 16 * 12

    def test_a_part_upon_another_is_refused_with_the_reason(self, sandbox: Sandbox) -> None:
        options = self.OPTIONS | {"spots": [Spot(0, 0).to_json()] * 3}
        with pytest.raises(Refused, match="stands upon part 0"):
            sandbox.run("arrange", [("a.stl", [box()])] * 3, options)

    def test_spots_for_other_files_are_refused(self) -> None:
        with pytest.raises(Refused, match="1 files for 3 spots"):
            arrange_files([memoryview(box())], ["a.stl"], self.OPTIONS, Limits())
