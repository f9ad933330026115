"""The decision table, row by row; that it misses no reason; and that reasons add up."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Reason
from app.prints import conditions, policy
from tests.app.prints.decisions import Decision, decisions, reasons_of

DECISIONS = decisions()
PAGE = Path(__file__).parents[3] / "docs" / "formats" / "terms.md"

ALONE: dict[str, dict[str, Any]] = {
    "design_shredded": {"part.shredded": True},
    "licence_revoked": {"licence.revoked_on_chain": True},
    "unknown_licence": {"licence.on_chain": False},
    "licence_not_started": {"licence.starts_at": 1},
    "licence_expired": {"licence.expires_at": 0},
    "printer_retired": {"printer.state": "retired"},
    "unknown_printer": {"printer.state": "approving"},
    "printer_quarantined": {"printer.quarantined": True},
    "printer_superseded": {"printer.successor": "prt_2"},
    "printer_not_allowed": {"licence.listed": ["prt_0"]},
    "process": {"machine.processes": ["VPP"]},
    "material": {"machine.materials": ["ABS"]},
    "build_volume": {"part.size_mm": [500, 1, 1]},
    "orientation": {"recipe.orientation": "up"},
    "terms_process": {"terms.processes": ["VPP"]},
    "terms_material": {"terms.materials": ["PLA"]},
    "site": {"terms.sites": ["Hamburg"]},
    "terms_site": {"terms.sites": ["Hamburg"], "machine.site": "Bremen"},
    "parameter_range": {"terms.parameters.a": {"min": 1}, "recipe.parameters.a": 0},
    "parameter_missing": {"terms.parameters.b": {"min": 1}},
    "parameter_unit": {"terms.parameters.c": {"min": 1, "unit": "s"}, "recipe.parameters.c": 2},
    "export_label": {"terms.export_labels": ["EAR99"]},
    "qualification": {"terms.qualifications": ["EN 9100"]},
    "calibration_unknown": {"terms.calibration_days_max": 30},
    "calibration_age": {"terms.calibration_days_max": 30, "machine.calibrated_ago": 2_592_001},
    "terms_unreadable": {"terms.colours": ["red"]},
    "count_exhausted": {"licence.used": 3, "licence.base": 3},
    "sequence_out_of_window": {"licence.prints": 500, "held_up_to": 128},
    "count_reserved": {"held": [1, 2, 3]},
}
"""For each reason the changes that bring it, each independent of the others' but for these groups."""
OF_TERMS = frozenset(code for code, changes in ALONE.items() if any("terms." in place for place in changes))
EXCLUSIVE = (
    {"licence_revoked", "unknown_licence"},
    {"printer_retired", "unknown_printer"},
    {"build_volume", "orientation"},
    {"site", "terms_site"},
    {"calibration_unknown", "calibration_age"},
    {"count_exhausted", "sequence_out_of_window", "count_reserved"},
    *({"terms_unreadable", code} for code in OF_TERMS - {"terms_unreadable"}),
)


def compatible(codes: set[str]) -> bool:
    return all(len(group & codes) <= 1 for group in EXCLUSIVE)


def together(codes: set[str]) -> dict[str, Any]:
    return {place: value for code in codes for place, value in ALONE[code].items()}


def written() -> set[str]:
    """The codes in the judge's sources: the first argument of each reason, and the reasons made elsewhere."""
    found: set[str] = set()
    for module in (policy, conditions):
        found |= {value.code for value in vars(module).values() if isinstance(value, Reason)}
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                if node.func.id in {"Reason", "_listed"} and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


class TestTable:
    @pytest.mark.parametrize("row", DECISIONS, ids=[f"{row.family}: {row.case}" for row in DECISIONS])
    def test_is_what_the_judge_says(self, row: Decision) -> None:
        found = reasons_of(row.changes)
        assert set(found) == row.reasons
        assert len(set(found)) == len(found) or row.family == "parameter"

    def test_has_no_row_twice(self) -> None:
        assert len(DECISIONS) >= 200
        assert len({(row.family, row.case) for row in DECISIONS}) == len(DECISIONS)

    def test_has_every_reason_alone_and_with_others(self) -> None:
        alone = {next(iter(row.reasons)) for row in DECISIONS if len(row.reasons) == 1}
        others = {code for row in DECISIONS if len(row.reasons) > 1 for code in row.reasons}
        assert alone == written()
        assert others == written() - {"sequence_out_of_window"}

    def test_has_permitted_prints_in_every_family_that_asks_something(self) -> None:
        permitted = {row.family for row in DECISIONS if not row.reasons}
        assert {row.family for row in DECISIONS} - permitted == {"shredded", "unreadable"}

    def test_is_described(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        assert {code for code in written() if f"`{code}`" not in page} == set()


class TestReasonsAddUp:
    def test_each_comes_alone(self) -> None:
        assert set(ALONE) == written()
        assert {code: reasons_of(changes) for code, changes in ALONE.items()} == {
            code: [code] for code in ALONE
        }

    def test_every_two_come_together(self) -> None:
        pairs = [set(pair) for pair in itertools.combinations(ALONE, 2) if compatible(set(pair))]
        assert len(pairs) > 300
        for pair in pairs:
            assert set(reasons_of(together(pair))) == pair

    @given(st.sets(st.sampled_from(sorted(ALONE)), min_size=3).filter(compatible))
    def test_any_come_together(self, codes: set[str]) -> None:
        assert set(reasons_of(together(codes))) == codes
