"""The plate's policy by itself: what parts must have in common, and where they stand."""

from __future__ import annotations

from typing import Any

import pytest

from app.plates.policy import PlatePart, judge_plate
from mesh_tools.arrange import Spot

RECIPE: dict[str, Any] = {"process": "MEX", "material": "PETG", "parameters": {"layer_mm": 0.2}}
ROOM = (200.0, 150.0, 100.0)


def part(owner: str = "org_1", plates: str | None = None, mesh: bool = True, **recipe: Any) -> PlatePart:
    return PlatePart({**RECIPE, **recipe}, (20.0, 30.0, 10.0), mesh, owner, plates)


def codes(*parts: PlatePart, spots: Any = None) -> list[list[str]]:
    judged = judge_plate(parts, ROOM, spots)
    return [[reason.code for reason in reasons] for reasons in judged.reasons]


class TestJudgePlate:
    def test_equal_parts_share_a_plate(self) -> None:
        judged = judge_plate([part(), part(), part("org_2")], ROOM, None)
        assert not any(judged.reasons)
        assert len(judged.layout) == 3

    @pytest.mark.parametrize(
        ("recipe", "code"),
        [
            ({"process": "VPP"}, "plate_process"),
            ({"material": "PLA"}, "plate_material"),
            ({"material": None}, "plate_material"),
            ({"parameters": {"layer_mm": 0.3}}, "plate_parameters"),
            ({"parameters": {}}, "plate_parameters"),
        ],
    )
    def test_names_the_part_that_differs(self, recipe: dict[str, Any], code: str) -> None:
        assert codes(part(), part(**recipe), part()) == [[], [code], []]

    def test_a_part_takes_the_room_it_has_as_it_stands(self) -> None:
        lying, tall = PlatePart(RECIPE, (20.0, 10.0, 30.0), True, "org_1"), part()
        assert codes(lying, tall, spots=[Spot(0, 0), Spot(0, 10)]) == [[], []]
        assert codes(lying, tall, spots=[Spot(0, 0), Spot(0, 9.9)]) == [[], ["plate_layout"]]

    def test_a_toolpath_is_refused_even_alone(self) -> None:
        assert codes(part(mesh=False)) == [["plate_toolpath"]]

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            ([part(plates="none")], [[]]),
            ([part(plates="none"), part()], [["terms_plates"], []]),
            ([part(plates="own"), part()], [[], []]),
            ([part(plates="own"), part("org_2")], [["terms_plates"], []]),
            ([part(plates="own"), part("org_2", plates="own")], [["terms_plates"], ["terms_plates"]]),
            ([part(plates="any"), part("org_2")], [[], []]),
        ],
    )
    def test_terms_say_who_may_stand_beside(self, parts: list[PlatePart], expected: Any) -> None:
        assert codes(*parts) == expected

    def test_says_where_parts_do_not_fit(self) -> None:
        wide = PlatePart(RECIPE, (190.0, 100.0, 10.0), True, "org_1")
        assert codes(wide, wide) == [["plate_room"], ["plate_room"]]
        assert codes(part(), part(), spots=[Spot(0, 0), Spot(10, 0)]) == [[], ["plate_layout"]]
