from __future__ import annotations

import json

import pytest

from mesh_tools.errors import PolicyInvalid
from mesh_tools.findings import Geometry, finding
from mesh_tools.gate import PROCESSES, Policy, fit, graded, judge
from mesh_tools.policy.words import Grade, Rotations
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate


def _part(x: float, y: float, z: float, shells: int = 1) -> Geometry:
    return Geometry(12, 8, 1, shells, x * y * z, 1.0, ((0.0, 0.0, 0.0), (x, y, z)), True)


def _codes(geometry: Geometry, policy: Policy, *, unit_known: bool = True) -> set[str]:
    return {found.code for found in fit(geometry, policy, unit_known=unit_known)}


class TestPolicy:
    @pytest.mark.parametrize("process", PROCESSES)
    def test_survives_json(self, process: str) -> None:
        policy = Policy(process=process, material="PA12", build_volume_mm=(1.0, 2.0, 3.0), units="inch",
                        rotations="about_z", overlaps="warn", canonical=True, wall_mm_min=1.5, gap_mm_min=0.4,
                        overhang_degrees_max=50,
                        cavities="refuse", shells_max=7, extent_mm_min=0.2, extent_mm_max=900,
                        severities={"mesh.mirrored": "refuse"})  # fmt: skip
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
            {"severities": ["mesh.shells"]},
            {"colour": "red"},
            {"material": 316},
            {"wall_mm_min": 0},
            {"wall_mm_min": "0.8"},
            {"gap_mm_min": -1},
            {"gap_mm_min": True},
            {"overhang_degrees_max": 91},
            {"overhang_degrees_max": float("inf")},
            {"cavities": "never"},
            {"rotations": ["none"]},
            {"canonical": "yes"},
            {"overlaps": True},
            {"crossing_mm_max": 0},
            {"rotations": "upside_down"},
            {"shells_max": 0.5},
            {"shells_max": 0},
            {"extent_mm_min": 9000},
        ],
    )
    def test_names_the_field_that_holds_nonsense_and_the_remedy(self, fields: dict[str, object]) -> None:
        with pytest.raises(PolicyInvalid) as caught:
            Policy.from_json(fields)
        (name,) = fields
        assert caught.value.field is not None
        assert caught.value.field.startswith(name)
        assert caught.value.remedy
        assert name in str(caught.value)


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
            (0.1, Policy(units="mm"), {"units.implausible"}),
            (0.2, Policy(process="VPP"), {"units.assumed"}),
            (9000, Policy(process="DED"), {"units.assumed"}),
            (0.1, Policy(units="mm", extent_mm_min=0.05), set()),
        ],
    )
    def test_doubts_units(self, extent: float, policy: Policy, codes: set[str]) -> None:
        assert _codes(_part(extent, extent, extent), policy, unit_known=False) == codes

    def test_names_units_in_which_the_size_would_be_plausible(self) -> None:
        found = fit(_part(0.1, 0.1, 0.1), Policy(), unit_known=False)
        assert "in cm or inch or foot or m" in found[1].message
        assert " It would be" not in fit(_part(1e9, 1, 1), Policy(), unit_known=False)[1].message

    @pytest.mark.parametrize(
        ("size", "rotations", "codes"),
        [
            ((20, 10, 30), "none", {"build.too_large"}),
            ((20, 10, 30), "about_z", {"build.turned"}),
            ((30, 10, 20), "about_z", {"build.too_large"}),
            ((30, 10, 20), "any_axis", {"build.turned"}),
            ((21, 1, 20), "any_axis", {"build.turned"}),
            ((1, 21, 21), "any_axis", set()),
            ((1, 23, 31), "any_axis", {"build.too_large"}),
            ((1, 1, 37), "any", set()),
            ((1, 1, 38), "any", {"build.too_large"}),
        ],
    )
    def test_says_by_the_box_only_what_is_certain(
        self, size: tuple[float, float, float], rotations: Rotations, codes: set[str]
    ) -> None:
        policy = Policy(build_volume_mm=(10, 20, 30), rotations=rotations)
        assert _codes(_part(*size), policy) == codes

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

    @pytest.mark.parametrize("cavities", [("allow", "info"), ("warn", "warn"), ("refuse", "refuse")])
    def test_minds_cavities_as_the_policy_says(self, cavities: tuple[Grade, str]) -> None:
        policy = Policy(process="VPP", cavities=cavities[0])
        assert graded([finding("mesh.cavities", "")], policy)[0].severity == cavities[1]

    @pytest.mark.parametrize(
        ("policy", "severity"),
        [
            (Policy("MEX"), "info"),
            (Policy("PBF-LB", "316L"), "warn"),
            (Policy("DED"), "warn"),
            (Policy("MEX", overhang_degrees_max=60), "warn"),
        ],
    )
    def test_minds_overhangs_where_support_is_welded_on(self, policy: Policy, severity: str) -> None:
        assert graded([finding("overhang.share", "")], policy)[0].severity == severity

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
