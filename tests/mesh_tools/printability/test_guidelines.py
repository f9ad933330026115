from __future__ import annotations

from pathlib import Path

import pytest

from mesh_tools.policy.guidelines import GUIDELINES, SOURCES, family_of, guideline_of
from mesh_tools.policy.policy import Policy
from mesh_tools.policy.words import PROCESSES

_PAGE = Path(__file__).parents[3] / "docs" / "formats" / "policy.md"


class TestGuidelines:
    def test_are_those_of_the_documentation(self) -> None:
        rows = []
        for process, families in GUIDELINES.items():
            for family, row in families.items():
                degrees = "—" if row.overhang_degrees_max is None else f"{row.overhang_degrees_max:g}°"
                lengths = ("—" if mm is None else f"{mm:g}" for mm in (row.wall_mm_min, row.gap_mm_min))
                sides = f"{row.extent_mm_min:g}–{row.extent_mm_max:g}"
                cells = (
                    process,
                    family or "",
                    *lengths,
                    degrees,
                    row.cavities,
                    sides,
                    ", ".join(row.sources),
                )
                rows.append(" | ".join(cells).replace("|  |", "| |"))
        page = [line.strip("| ") for line in _PAGE.read_text().splitlines()]
        assert [row.strip("| ") for row in rows if row.strip("| ") not in page] == []

    def test_document_every_field_of_a_policy(self) -> None:
        page = _PAGE.read_text()
        assert [name for name in Policy.__dataclass_fields__ if f"`{name}`" not in page] == []

    def test_know_every_process(self) -> None:
        assert set(GUIDELINES) == set(PROCESSES)
        assert all(None in rows for rows in GUIDELINES.values())

    def test_cite_every_source_and_no_other(self) -> None:
        cited = {name for rows in GUIDELINES.values() for row in rows.values() for name in row.sources}
        assert cited == set(SOURCES)

    @pytest.mark.parametrize(
        ("material", "family"),
        [
            ("PA12", "polymer"), ("PA 2200", "polymer"), ("tpu-90A", "polymer"), ("PEKK", "polymer"),
            ("316L", "metal"), ("1.4404", "metal"), ("17-4PH", "metal"), ("Ti6Al4V", "metal"),
            ("AlSi10Mg", "metal"), ("Inconel 718", "metal"), ("unobtainium", None), (None, None), ("", None),
        ],
    )  # fmt: skip
    def test_tell_polymers_from_metals(self, material: str | None, family: str | None) -> None:
        assert family_of(material) == family

    def test_ask_less_where_the_material_is_unknown(self) -> None:
        unknown, polymer = guideline_of("PBF-LB", None), guideline_of("PBF-LB", "PA12")
        assert unknown.wall_mm_min is not None
        assert polymer.wall_mm_min is not None
        assert unknown.wall_mm_min < polymer.wall_mm_min
        assert guideline_of("PBF-LB", "316L").overhang_degrees_max == 45

    def test_give_way_to_the_policys_own(self) -> None:
        policy = Policy(
            "VPP", wall_mm_min=2.0, overhang_degrees_max=33.0, cavities="refuse", extent_mm_max=50
        )
        own = policy.guideline
        assert (own.wall_mm_min, own.overhang_degrees_max, own.cavities) == (2.0, 33.0, "refuse")
        assert (own.extent_mm_max, own.gap_mm_min) == (50, guideline_of("VPP", None).gap_mm_min)
