from __future__ import annotations

import json

import pytest

from mesh_tools.errors import PolicyInvalid
from mesh_tools.findings import Geometry, finding
from mesh_tools.gate import PROCESSES, Policy, fit, graded, judge
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate


def _part(x: float, y: float, z: float, shells: int = 1) -> Geometry:
    return Geometry(12, 8, 1, shells, x * y * z, 1.0, ((0.0, 0.0, 0.0), (x, y, z)), True)


def _codes(geometry: Geometry, policy: Policy, *, unit_known: bool = True) -> set[str]:
    return {found.code for found in fit(geometry, policy, unit_known=unit_known)}


class TestPolicy:
    @pytest.mark.parametrize("process", PROCESSES)
    def test_survives_json(self, process: str) -> None:
        policy = Policy(process=process, material="PA12", build_volume_mm=(1.0, 2.0, 3.0), units="inch")
        assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy

    @pytest.mark.parametrize(
        "fields",
        [
            {"process": "FDM"},
            {"units": "furlong"},
            {"build_volume_mm": [1, 2]},
            {"build_volume_mm": [1, 2, 0]},
            {"build_volume_mm": [1, 2, float("nan")]},
            {"build_volume_mm": "big"},
            {"severities": {"mesh.shells": "fine"}},
            {"colour": "red"},
        ],
    )
    def test_refuses_nonsense(self, fields: dict[str, object]) -> None:
        with pytest.raises(PolicyInvalid):
            Policy.from_json(fields)


class TestFit:
    @pytest.mark.parametrize(
        ("size", "codes"),
        [
            ((10, 20, 30), set()),
            ((30, 20, 10), {"build.turned"}),
            ((10, 20, 30.0000005), set()),
            ((10, 20, 30.1), {"build.too_large"}),
            ((10, 10, 40), {"build.too_large"}),
        ],
    )
    def test_into_the_build_volume(self, size: tuple[float, float, float], codes: set[str]) -> None:
        assert _codes(_part(*size), Policy(build_volume_mm=(10, 20, 30))) == codes

    @pytest.mark.parametrize(
        ("extent", "policy", "codes"),
        [
            (0.1, Policy(), {"units.assumed", "units.doubtful"}),
            (9000, Policy(), {"units.assumed", "units.doubtful"}),
            (30, Policy(), {"units.assumed"}),
            (0.1, Policy(units="mm"), set()),
        ],
    )
    def test_doubts_units(self, extent: float, policy: Policy, codes: set[str]) -> None:
        assert _codes(_part(extent, extent, extent), policy, unit_known=False) == codes

    def test_counts_shells(self) -> None:
        assert _codes(_part(1, 1, 1, shells=5), Policy(shells_max=4)) == {"mesh.shells"}


class TestGraded:
    def test_never_lowers_what_is_not_negotiable(self) -> None:
        policy = Policy(severities={"mesh.open_edges": "info", "content.metadata": "warn"})
        found = graded([finding("mesh.open_edges", ""), finding("content.metadata", "")], policy)
        assert [row.severity for row in found] == ["refuse", "warn"]
        assert judge(found[:1], policy) == "refuse"
        assert judge(found[1:], policy) == "pass"

    def test_raises_a_warning(self) -> None:
        assert (
            judge([finding("mesh.mirrored", "")], Policy(severities={"mesh.mirrored": "refuse"})) == "refuse"
        )

    @pytest.mark.parametrize(("process", "severity"), [("MEX", "info"), ("PBF-LB", "warn"), ("VPP", "warn")])
    def test_minds_cavities_where_they_trap(self, process: str, severity: str) -> None:
        assert graded([finding("mesh.cavities", "")], Policy(process=process))[0].severity == severity


class TestUnits:
    @pytest.mark.parametrize(("unit", "length"), [("mm", 1), ("inch", 25.4), ("cm", 10), ("micron", 0.001)])
    def test_scale_what_carries_none(self, gate: Gate, unit: str, length: float) -> None:
        data = shapes.stl_binary(shapes.corners(shapes.box()))
        geometry = gate.inspect(data, policy=Policy.from_json({"units": unit})).geometry
        assert geometry is not None
        assert geometry.volume_mm3 == pytest.approx(6000 * length**3)
        assert geometry.size_mm == pytest.approx((10 * length, 20 * length, 30 * length))


class TestShells:
    def test_tell_cavities_from_shells_inside_out(self, gate: Gate) -> None:
        inner = shapes.inverted(shapes.box(10, 10, 10, at=(10, 10, 10)))
        hollow = shapes.stl_binary(shapes.corners(shapes.joined(shapes.box(30, 30, 30), inner)))
        found = {row.code: row for row in gate.inspect(hollow).findings}
        assert found["mesh.cavities"].sample == pytest.approx((15, 15, 15))
        outer = shapes.inverted(shapes.box(5, 5, 5, at=(50, 0, 0)))
        apart = shapes.stl_binary(shapes.corners(shapes.joined(shapes.box(30, 30, 30), outer)))
        assert gate.reasons(apart) == {"mesh.inverted"}

    def test_say_when_welding_would_close_the_holes(self, gate: Gate) -> None:
        triangles = shapes.corners(shapes.box())
        triangles[0, 0] += 1e-5
        found = {row.code for row in gate.inspect(shapes.stl_binary(triangles)).findings}
        assert {"mesh.open_edges", "mesh.open_edges_welded"} <= found
