"""Tests of the slicer's settings: numbers of the allow-list and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_tools.toolpath.machine import MachineLimits
from printer_agent.errors import GateRefused, IdentityError
from printer_agent.machine import Machine
from printer_agent.slicing.profile import profile

LIMITS = MachineLimits(280, 110, 100, 3000)
MACHINE = Machine("W", (250, 210, 200), ("MEX",), limits=LIMITS)


def settings(machine: Machine = MACHINE, **recipe: Any) -> dict[str, str]:
    text = profile({"process": "MEX", "material": "PETG", **recipe}, machine)
    return dict(line.split(" = ", 1) if " = " in line else (line, "") for line in text.splitlines())


class TestProfile:
    def test_takes_the_recipes_numbers(self) -> None:
        made = settings(parameters={"layer_height_mm": 0.1, "infill_percent": 40, "nozzle_c": 245})
        assert (made["layer_height"], made["fill_density"], made["temperature"]) == ("0.1", "40%", "245")
        assert (made["bed_temperature"], made["support_material"]) == ("80", "0")

    def test_says_what_could_run_or_write(self) -> None:
        made = settings()
        assert made["post_process"] == ""
        assert (made["start_gcode"], made["end_gcode"]) == ("G28", r"M104 S0\nM140 S0\nM107")
        assert [made[name] for name in ("layer_gcode", "before_layer_gcode", "toolchange_gcode")] == [""] * 3

    def test_lowers_feeds_to_the_machines(self) -> None:
        made = settings()
        assert (made["travel_speed"], made["perimeter_speed"]) == ("100", "45")

    @pytest.mark.parametrize(
        "parameters",
        [
            {"post_process": "/bin/sh"},
            {"start_gcode": "M104 S300"},
            {"layer_height_mm": 0.5},
            {"layer_height_mm": "0.2\npost_process = /bin/sh"},
            {"layer_height_mm": True},
            {"perimeters": 2.5},
            {"nozzle_c": 281},
            {"bed_c": -1},
            {"infill_percent": float("nan")},
            {"supports": "1\npost_process = /bin/sh"},
            {"infill_percent\npost_process": 1},
            ["post_process"],
        ],
    )
    def test_refuses_what_is_not_in_the_table(self, parameters: Any) -> None:
        with pytest.raises(GateRefused) as caught:
            settings(parameters=parameters)
        assert caught.value.kind == "recipe_parameter"

    def test_refuses_a_material_without_temperatures(self) -> None:
        with pytest.raises(GateRefused, match="nozzle_c is None"):
            settings(material="PEEK")
        assert settings(material="PEEK", parameters={"nozzle_c": 280, "bed_c": 110})["temperature"] == "280"

    def test_needs_the_machines_limits(self) -> None:
        with pytest.raises(GateRefused, match="limits"):
            settings(Machine("W", (250, 210, 200), ("MEX",)))

    @given(
        st.dictionaries(st.text(), st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none()))
    )
    def test_writes_no_line_that_a_recipe_made(self, parameters: dict[str, Any]) -> None:
        names = set(settings())
        try:
            made = settings(parameters=parameters)
        except GateRefused:
            return
        assert set(made) == names
        assert made["post_process"] == ""


class TestMachine:
    @pytest.mark.parametrize(
        "line", ["", "G28\nM104 S300", r"G28\nM112", "{if 1}", "g28", "G28 ; home", "[x]"]
    )
    def test_takes_plain_lines_alone(self, line: str) -> None:
        with pytest.raises(IdentityError):
            Machine("W", (250, 210, 200), ("MEX",), limits=LIMITS, start_gcode=(line,))

    def test_is_read_back(self) -> None:
        machine = Machine(
            "W", (250, 210, 200), ("MEX",), limits=LIMITS, start_gcode=("G28", "BED_MESH_CALIBRATE")
        )
        assert Machine.from_json(machine.to_json()) == machine
