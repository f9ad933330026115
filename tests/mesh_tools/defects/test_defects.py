"""Every planted defect is found, in every format; no sound part is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mesh_tools.findings import Finding
from mesh_tools.gate import Policy, Unit
from tests.mesh_tools import writers
from tests.mesh_tools.conftest import Gate
from tests.mesh_tools.defects.parts import Part, drawn
from tests.mesh_tools.defects.planting import DEFECTS, Defect
from tests.mesh_tools.shapes import Shape

_SEEDS, _SEEDS_OF_THE_CAMPAIGN = 4, 150
_UNITS: tuple[Unit | None, ...] = (None, "mm", "cm", "inch")
_FORMATS: tuple[tuple[str, type[np.floating[Any]], Callable[[Shape], bytes]], ...] = (
    ("part.stl", np.float32, writers.stl),
    ("text.stl", np.float32, writers.stl_text),
    ("part.3mf", np.float64, lambda shape: writers.threemf(shape, "centimeter")),
    ("inch.3mf", np.float32, lambda shape: writers.threemf(shape, "inch")),
    ("part.ply", np.float64, writers.ply),
    ("float.ply", np.float32, lambda shape: writers.ply(shape, np.float32)),
    ("big.ply", np.float64, lambda shape: writers.ply(shape, np.float64, ">")),
    ("text.ply", np.float64, writers.ply_text),
)
_NOT_A_NUMBER = {"text.stl": "stl.grammar", "part.3mf": "package.schema", "inch.3mf": "package.schema"}
"""Where a coordinate is text, what is no number is no coordinate either."""


def _findings(
    gate: Gate, seed: int, change: Callable[[Part, np.random.Generator], Shape]
) -> tuple[str, str, list[Finding]]:
    """File name, verdict and findings of the part drawn by `seed` after `change`."""
    rng = np.random.default_rng(seed)
    filename, dtype, write = _FORMATS[int(rng.integers(len(_FORMATS)))]
    policy = Policy(units=_UNITS[int(rng.integers(len(_UNITS)))])
    inspection = gate.inspect(write(change(drawn(rng, dtype), rng)), filename, policy)
    return filename, inspection.verdict, list(inspection.findings)


def _expect_defect(gate: Gate, defect: Defect, seed: int) -> None:
    filename, verdict, findings = _findings(gate, seed, defect.plant)
    code = _NOT_A_NUMBER.get(filename, defect.code) if defect.code == "mesh.not_finite" else defect.code
    refusing = {row.code for row in findings if row.severity == "refuse"}
    if defect.warns:
        assert (verdict, refusing) == ("pass", set())
        assert code in {row.code for row in findings}
    else:
        assert verdict == "refuse"
        assert code in refusing


def _expect_sound(gate: Gate, seed: int) -> None:
    _, verdict, findings = _findings(gate, seed, lambda part, _rng: part.shape)
    assert (verdict, [row for row in findings if row.severity == "refuse"]) == ("pass", [])


class TestDefects:
    def test_are_many(self) -> None:
        assert len({defect.code for defect in DEFECTS}) >= 12
        assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 20

    @pytest.mark.parametrize("seed", range(_SEEDS))
    @pytest.mark.parametrize("defect", DEFECTS, ids=str)
    def test_are_found(self, gate: Gate, defect: Defect, seed: int) -> None:
        _expect_defect(gate, defect, seed)

    @pytest.mark.slow
    @pytest.mark.parametrize("defect", DEFECTS, ids=str)
    def test_are_found_in_a_long_campaign(self, gate: Gate, defect: Defect) -> None:
        for seed in range(_SEEDS, _SEEDS_OF_THE_CAMPAIGN):
            _expect_defect(gate, defect, seed)


class TestScale:
    @pytest.mark.parametrize("factor", [1e-3, 1e3], ids=["metres as millimetres", "millimetres as metres"])
    @pytest.mark.parametrize("seed", range(_SEEDS))
    def test_is_doubted_where_the_format_has_no_unit(self, gate: Gate, seed: int, factor: float) -> None:
        part = drawn(np.random.default_rng(seed))
        data = writers.stl((part.points * factor, part.facets))
        assert "units.doubtful" in gate.reasons(data)
        assert "units.doubtful" not in gate.reasons(data, policy=Policy(units="mm"))


class TestSoundParts:
    @pytest.mark.parametrize("seed", range(10 * _SEEDS))
    def test_pass(self, gate: Gate, seed: int) -> None:
        _expect_sound(gate, seed)

    @pytest.mark.slow
    def test_pass_in_a_long_campaign(self, gate: Gate) -> None:
        for seed in range(10 * _SEEDS, 10 * _SEEDS_OF_THE_CAMPAIGN):
            _expect_sound(gate, seed)
