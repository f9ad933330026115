"""Terms are read whole or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from app.errors import Invalid
from app.licences.terms import DAYS_MAX, ENTRIES_MAX, TERM_NAMES, Bounds, Terms, is_number, read_terms
from tests.app.licences.terms_documents import documents
from tests.app.parties import Party, problem

PAGE = Path(__file__).parents[3] / "docs" / "formats" / "terms.md"


class TestReadTerms:
    def test_reads_every_term(self) -> None:
        document = {
            "processes": ["MEX"],
            "materials": ["PETG", "PLA"],
            "sites": ["Hamburg"],
            "parameters": {"layer_mm": {"min": 0.1, "max": 0.3, "unit": "mm"}, "walls": {"min": 3}},
            "export_labels": ["EAR99"],
            "qualifications": ["EN 9100"],
            "calibration_days_max": 30,
            "transferable": True,
            "plates": "own",
            "price": {"EUR": [1, 2]},
            "note": "Call first.",
        }
        assert set(document) == set(TERM_NAMES)
        assert read_terms(document) == Terms(
            processes=("MEX",),
            materials=("PETG", "PLA"),
            sites=("Hamburg",),
            parameters={"layer_mm": Bounds(0.1, 0.3, "mm"), "walls": Bounds(3)},
            export_labels=("EAR99",),
            qualifications=("EN 9100",),
            calibration_days_max=30,
            transferable=True,
            plates="own",
            price={"EUR": [1, 2]},
            note="Call first.",
        )

    def test_reads_none(self) -> None:
        assert read_terms({}) == Terms()

    @pytest.mark.parametrize(
        ("document", "field"),
        [
            ({"process": ["MEX"]}, "terms.process"),
            ({"": 1}, "terms."),
            ({"processes": "MEX"}, "terms.processes"),
            ({"processes": []}, "terms.processes"),
            ({"processes": None}, "terms.processes"),
            ({"materials": ["PLA", 5]}, "terms.materials.1"),
            ({"materials": ["PLA", ""]}, "terms.materials.1"),
            ({"materials": ["PLA", "x" * 65]}, "terms.materials.1"),
            ({"materials": ["PLA", "PLA\n"]}, "terms.materials.1"),
            ({"materials": ["PLA", "PLA"]}, "terms.materials.1"),
            ({"sites": [str(n) for n in range(ENTRIES_MAX + 1)]}, "terms.sites"),
            ({"sites": {"Hamburg": True}}, "terms.sites"),
            ({"parameters": []}, "terms.parameters"),
            ({"parameters": {}}, "terms.parameters"),
            ({"parameters": {"": {"min": 1}}}, "terms.parameters"),
            ({"parameters": {f"p{n}": {"min": 1} for n in range(ENTRIES_MAX + 1)}}, "terms.parameters"),
            ({"parameters": {"layer_mm": 0.2}}, "terms.parameters.layer_mm"),
            ({"parameters": {"layer_mm": {}}}, "terms.parameters.layer_mm"),
            ({"parameters": {"layer_mm": {"unit": "mm"}}}, "terms.parameters.layer_mm"),
            ({"parameters": {"layer_mm": {"min": 2, "max": 1}}}, "terms.parameters.layer_mm"),
            ({"parameters": {"layer_mm": {"min": "1"}}}, "terms.parameters.layer_mm.min"),
            ({"parameters": {"layer_mm": {"max": True}}}, "terms.parameters.layer_mm.max"),
            ({"parameters": {"layer_mm": {"max": None}}}, "terms.parameters.layer_mm.max"),
            ({"parameters": {"layer_mm": {"max": float("nan")}}}, "terms.parameters.layer_mm.max"),
            ({"parameters": {"layer_mm": {"max": float("inf")}}}, "terms.parameters.layer_mm.max"),
            ({"parameters": {"layer_mm": {"max": 1, "unit": ""}}}, "terms.parameters.layer_mm.unit"),
            ({"parameters": {"layer_mm": {"max": 1, "most": 2}}}, "terms.parameters.layer_mm.most"),
            ({"export_labels": "EAR99"}, "terms.export_labels"),
            ({"qualifications": [None]}, "terms.qualifications.0"),
            ({"calibration_days_max": 0}, "terms.calibration_days_max"),
            ({"calibration_days_max": 1.5}, "terms.calibration_days_max"),
            ({"calibration_days_max": True}, "terms.calibration_days_max"),
            ({"calibration_days_max": DAYS_MAX + 1}, "terms.calibration_days_max"),
            ({"transferable": "true"}, "terms.transferable"),
            ({"transferable": 1}, "terms.transferable"),
            ({"plates": True}, "terms.plates"),
            ({"plates": ["own"]}, "terms.plates"),
            ({"plates": "all"}, "terms.plates"),
            ({"note": ["x"]}, "terms.note"),
            ({"note": "x" * 5001}, "terms.note"),
        ],
    )
    def test_names_the_member_at_fault(self, document: dict[str, Any], field: str) -> None:
        with pytest.raises(Invalid) as caught:
            read_terms(document)
        assert caught.value.field == field
        assert field in caught.value.detail
        assert caught.value.remedy

    @given(documents)
    def test_reads_all_that_may_be_written(self, document: dict[str, Any]) -> None:
        terms = read_terms(document)
        assert {name for name in TERM_NAMES if name in document} == set(document)
        for name in ("processes", "materials", "sites", "export_labels", "qualifications"):
            assert list(getattr(terms, name) or ()) == document.get(name, [])
        assert set(terms.parameters) == set(document.get("parameters", {}))

    @pytest.mark.parametrize(
        ("value", "said"),
        [(True, False), ("1", False), (None, False), (10**400, False), (2**53, True), (-0.5, True)],
    )
    def test_knows_a_number(self, value: Any, said: bool) -> None:
        assert is_number(value) is said


class TestGrant:
    def test_refuses_terms_that_nobody_would_enforce(
        self, owner: Party, provider: Party, revision: dict[str, Any]
    ) -> None:
        request = owner.licence_request(revision, provider, terms={"colour": ["red"]})
        for path in ("/v1/licences/prepare", "/v1/licences"):
            refused = owner.call("POST", path, json=request)
            assert refused.status_code == 422
            document = problem(refused, "invalid-request")
            assert document["field"] == "terms.colour"
            assert all(name in refused.text for name in TERM_NAMES)


class TestPage:
    def test_describes_every_term(self) -> None:
        table, _, _ = PAGE.read_text(encoding="utf-8").partition("## Reasons")
        rows = [line for line in table.splitlines() if line.startswith("| `")]
        assert [line.split("`")[1] for line in rows] == list(TERM_NAMES)
