"""The decision about a print: one change to a permitted one, and the reason it brings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prints.policy import SEQUENCE_WINDOW, Device, Part, Permission, Question, judge, judge_count
from mesh_tools.orientation import standing_box

NOW = 1_800_000_000
LICENCE = Permission(
    state="active",
    starts_at=NOW - 10,
    expires_at=NOW + 10,
    listed=(),
    terms={},
    on_chain=True,
    revoked_on_chain=False,
    prints=3,
    credited=0,
    used=0,
    base=0,
    consumed=frozenset(),
)
MACHINE = {"build_volume_mm": [100, 80, 60], "processes": ["MEX"], "materials": ["PETG", "PLA"]}
PRINTER = Device(id="prt_1", state="enrolled", retired_on_chain=False, machine=MACHINE)
PART = Part(recipe={"process": "MEX", "material": "PETG"}, size_mm=(20, 30, 10))
QUESTION = Question(NOW, LICENCE, PRINTER, PART)

CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], int, list[str]]] = [
    ("permitted", {}, {}, {}, NOW, []),
    ("revoked", {"state": "revoked"}, {}, {}, NOW, ["licence_revoked"]),
    ("revocation under way", {"state": "revoking"}, {}, {}, NOW, ["licence_revoked"]),
    ("revoked on chain by somebody else", {"revoked_on_chain": True}, {}, {}, NOW, ["licence_revoked"]),
    ("grant pending", {"state": "pending", "on_chain": False}, {}, {}, NOW, ["unknown_licence"]),
    ("grant rejected", {"state": "rejected"}, {}, {}, NOW, ["unknown_licence"]),
    ("not on chain", {"on_chain": False}, {}, {}, NOW, ["unknown_licence"]),
    ("last second before", {}, {}, {}, NOW - 11, ["licence_not_started"]),
    ("first second", {}, {}, {}, NOW - 10, []),
    ("last second", {}, {}, {}, NOW + 9, []),
    ("first second after", {}, {}, {}, NOW + 10, ["licence_expired"]),
    ("retired", {}, {"state": "retired"}, {}, NOW, ["printer_retired"]),
    ("retirement under way", {}, {"state": "retiring"}, {}, NOW, ["printer_retired"]),
    ("retired on chain by somebody else", {}, {"retired_on_chain": True}, {}, NOW, ["printer_retired"]),
    ("in quarantine", {}, {"quarantined": True}, {}, NOW, ["printer_quarantined"]),
    ("not approved", {}, {"state": "awaiting_approval"}, {}, NOW, ["unknown_printer"]),
    ("listed", {"listed": ("prt_0", "prt_1")}, {}, {}, NOW, []),
    ("not listed", {"listed": ("prt_0",)}, {}, {}, NOW, ["printer_not_allowed"]),
    ("another process", {}, {}, {"recipe": {"process": "VPP"}}, NOW, ["process"]),
    ("process not in the terms", {"terms": {"processes": ["VPP"]}}, {}, {}, NOW, ["terms_process"]),
    ("process in the terms", {"terms": {"processes": ["MEX"]}}, {}, {}, NOW, []),
    ("another material", {}, {}, {"recipe": {"process": "MEX", "material": "ABS"}}, NOW, ["material"]),
    ("any material", {}, {}, {"recipe": {"process": "MEX"}}, NOW, []),
    ("material not in the terms", {"terms": {"materials": ["PLA"]}}, {}, {}, NOW, ["terms_material"]),
    ("terms with an empty list", {"terms": {"materials": []}}, {}, {}, NOW, ["terms_unreadable"]),
    ("fits exactly", {}, {}, {"size_mm": (100, 80, 60)}, NOW, []),
    ("fits when turned", {}, {}, {"size_mm": (80, 100, 60)}, NOW, []),
    (
        "fits when turned, which the recipe rules out",
        {},
        {},
        {"size_mm": (80, 100, 60), "recipe": {"process": "MEX", "rotations": "none"}},
        NOW,
        ["build_volume"],
    ),
    ("too wide", {}, {}, {"size_mm": (101, 30, 10)}, NOW, ["build_volume"]),
    ("toolpath that fits", {}, {}, {"size_mm": (100, 80, 60), "turns": False}, NOW, []),
    ("toolpath across", {}, {}, {"size_mm": (80, 100, 60), "turns": False}, NOW, ["build_volume"]),
    ("too high", {}, {}, {"size_mm": (20, 30, 61)}, NOW, ["build_volume"]),
    (
        "everything at once",
        {"state": "revoked", "listed": ("prt_0",)},
        {"state": "retired"},
        {"size_mm": (500, 500, 500), "recipe": {"process": "VPP", "material": "ABS"}},
        NOW + 10,
        [
            "licence_revoked",
            "licence_expired",
            "printer_retired",
            "printer_not_allowed",
            "process",
            "material",
            "build_volume",
        ],
    ),
]


class TestJudge:
    @pytest.mark.parametrize(
        ("licence", "printer", "part", "now", "codes"),
        [case[1:] for case in CASES],
        ids=[c[0] for c in CASES],
    )
    def test_gives_the_reasons(
        self,
        licence: dict[str, Any],
        printer: dict[str, Any],
        part: dict[str, Any],
        now: int,
        codes: list[str],
    ) -> None:
        question = Question(
            now, replace(LICENCE, **licence), replace(PRINTER, **printer), replace(PART, **part)
        )
        reasons = judge(question)
        assert [reason.code for reason in reasons] == codes
        assert all(len(reason.message) > 10 for reason in reasons)


class TestPart:
    def test_takes_the_room_it_has_as_its_recipe_stands_it(self) -> None:
        assert PART.standing_mm == PART.size_mm
        turned = replace(PART, recipe={"orientation": [1, 2, 3]})
        assert turned.standing_mm == standing_box(PART.size_mm, [1, 2, 3])
        assert replace(turned, turns=False).standing_mm == PART.size_mm
        assert replace(PART, recipe={"orientation": "up"}).standing_mm is None

    @pytest.mark.parametrize(
        ("part", "told"),
        [
            ({}, "the part is 61.00 × 61.00 × 61.00 mm; the machine builds 100 × 80 × 60 mm"),
            ({"turns": False}, "the toolpath moves over 61.00 × 61.00 × 61.00 mm"),
            (
                {"recipe": {"process": "MEX", "orientation": [0, 0, -1]}},
                "as its recipe stands it the part may take 61.01",
            ),
        ],
    )
    def test_that_is_too_large_is_told_what_room_it_takes(self, part: dict[str, Any], told: str) -> None:
        (reason,) = judge(replace(QUESTION, part=replace(PART, size_mm=(61, 61, 61), **part)))
        assert reason.message.startswith(told)


class TestJudgeCount:
    @pytest.mark.parametrize(
        ("licence", "held", "number", "code"),
        [
            ({}, set(), 1, None),
            ({}, {1}, 2, None),
            ({}, {2}, 1, None),
            ({}, {1, 2, 3}, None, "count_reserved"),
            ({"used": 1, "consumed": frozenset({2})}, {1}, 3, None),
            ({"used": 1, "base": 1}, set(), 2, None),
            ({"used": 3, "base": 3}, set(), None, "count_exhausted"),
            ({"used": 3, "base": 3, "credited": 1}, set(), 4, None),
            ({"used": 2, "base": 2}, {3}, None, "count_reserved"),
            ({"prints": 500}, set(range(1, SEQUENCE_WINDOW + 1)), None, "sequence_out_of_window"),
            ({"prints": 500, "base": 1, "used": 1}, set(range(2, SEQUENCE_WINDOW + 1)), 129, None),
        ],
    )
    def test_gives_the_lowest_free_number(
        self, licence: dict[str, Any], held: set[int], number: int | None, code: str | None
    ) -> None:
        given, reasons = judge_count(replace(LICENCE, **licence), frozenset(held))
        assert given == number
        assert [reason.code for reason in reasons] == ([code] if code else [])

    @given(
        prints=st.integers(1, 300),
        credited=st.integers(0, 20),
        base=st.integers(0, 300),
        consumed=st.frozensets(st.integers(1, 400)),
        held=st.frozensets(st.integers(1, 400)),
    )
    def test_gives_a_number_the_contract_takes(
        self, prints: int, credited: int, base: int, consumed: frozenset[int], held: frozenset[int]
    ) -> None:
        above = frozenset(n for n in consumed if base < n <= base + SEQUENCE_WINDOW)
        licence = replace(
            LICENCE, prints=prints, credited=credited, base=base, consumed=above, used=base + len(above)
        )
        number, reasons = judge_count(licence, held)
        assert (number is None) == bool(reasons)
        if number is not None:
            assert base < number <= min(prints + credited, base + SEQUENCE_WINDOW)
            assert number not in above | held
