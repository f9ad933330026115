"""Tests of the machine's description and the policy made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh_tools.toolpath.machine import MachineLimits
from printer_agent.errors import GateRefused, IdentityError
from printer_agent.machine import Machine, load_machine, save_machine
from printer_agent.private_files import make_private_folder

MK4 = Machine("MK4", (250.0, 210.0, 220.0), ("MEX",), ("PLA", "PETG"))
LIMITS = MachineLimits(temperature_c_max=290, bed_c_max=120, feed_mm_s_max=200, acceleration_mm_s2_max=4000)
BOLD = {"temperature_c_max": 2000, "bed_c_max": 900, "feed_mm_s_max": 9e3, "acceleration_mm_s2_max": 9e5}


class TestMachine:
    def test_survives_its_file(self, tmp_path: Path) -> None:
        make_private_folder(tmp_path / "home")
        save_machine(tmp_path / "home", MK4)
        assert load_machine(tmp_path / "home") == MK4

    def test_keeps_its_limits_in_its_file(self, tmp_path: Path) -> None:
        make_private_folder(tmp_path / "home")
        limited = replace(MK4, limits=LIMITS)
        save_machine(tmp_path / "home", limited)
        assert load_machine(tmp_path / "home") == limited

    def test_keeps_what_goes_into_reports_in_its_file(self, tmp_path: Path) -> None:
        make_private_folder(tmp_path / "home")
        loaded = replace(MK4, serial="CZPX1423", batches={"PLA": "LOT 1", "PETG": "LOT 2"})
        save_machine(tmp_path / "home", loaded)
        assert load_machine(tmp_path / "home") == loaded

    def test_is_missed(self, tmp_path: Path) -> None:
        with pytest.raises(IdentityError) as caught:
            load_machine(tmp_path)
        assert caught.value.kind == "no_machine"

    @pytest.mark.parametrize(
        "change",
        [
            {"build_volume_mm": [1, 2]},
            {"build_volume_mm": [1, 2, -3]},
            {"build_volume_mm": "abc"},
            {"serial": 7},
            {"serial": ""},
            {"batches": "LOT 1"},
            {"batches": {"PLA": "Löt"}},
            {"processes": []},
            {"processes": None},
            {"limits": {}},
            {"limits": BOLD | {"tools": 0}},
            {"limits": BOLD | {"bed_c_max": "100"}},
        ],
    )
    def test_is_refused_when_senseless(self, change: dict[str, Any]) -> None:
        with pytest.raises(IdentityError):
            Machine.from_json({**MK4.to_json(), **change})


class TestPolicy:
    def test_takes_the_machines_volume_and_the_recipes_units(self) -> None:
        policy = MK4.policy(
            {"process": "MEX", "material": "PLA", "units": "inch", "build_volume_mm": [9, 9, 9]}
        )
        assert (policy.process, policy.material, policy.units) == ("MEX", "PLA", "inch")
        assert policy.build_volume_mm == (250.0, 210.0, 220.0)

    def test_holds_the_part_to_what_the_recipe_demands(self) -> None:
        demands = {"wall_mm_min": 1.2, "gap_mm_min": 0.4, "overhang_degrees_max": 50.0, "cavities": "refuse",
                   "rotations": "none"}  # fmt: skip
        policy = MK4.policy({"process": "MEX", "parameters": {"layer": 0.2}, **demands})
        assert {name: getattr(policy, name) for name in demands} == demands

    def test_assumes_the_machines_process(self) -> None:
        assert MK4.policy({}).process == "MEX"

    @pytest.mark.parametrize(
        ("recipe", "kind"),
        [
            ({"process": "VPP"}, "process_not_available"),
            ({"process": "MEX", "material": "ABS"}, "material_not_available"),
            ({"units": "parsec"}, "recipe"),
            ({"wall_mm_min": -1}, "recipe"),
        ],
    )
    def test_refuses_what_the_machine_cannot_do(self, recipe: dict[str, Any], kind: str) -> None:
        with pytest.raises(GateRefused) as caught:
            MK4.policy(recipe)
        assert caught.value.kind == kind

    @pytest.mark.parametrize("limits", [None, LIMITS])
    @pytest.mark.parametrize("asked", [{}, {"machine": BOLD}, {"machine": {"of": "no kind"}}])
    def test_holds_toolpaths_to_its_own_limits_alone(
        self, limits: MachineLimits | None, asked: dict[str, Any]
    ) -> None:
        assert replace(MK4, limits=limits).policy({"process": "MEX", **asked}).machine == limits

    def test_takes_every_material_where_none_is_named(self) -> None:
        assert Machine("x", (1.0, 1.0, 1.0), ("MEX",)).policy({"material": "ABS"}).material == "ABS"
