from __future__ import annotations

import json
from typing import Any

import pytest

from mesh_tools.errors import PolicyInvalid
from mesh_tools.gate import Policy
from mesh_tools.toolpath.machine import MachineLimits

LIMITS: dict[str, Any] = {
    "temperature_c_max": 300, "bed_c_max": 120, "feed_mm_s_max": 400, "acceleration_mm_s2_max": 10_000,
}  # fmt: skip
FULL = LIMITS | {
    "dialect": "klipper", "chamber_c_max": 60.0, "tools": 5, "reach_mm": [[-5, -5, 0], [255, 215, 200]],
    "home_mm": [0, 0, 5], "macros": ["PREPARE_BED", "M620.1"], "homing_macros": ["START_PRINT"],
}  # fmt: skip


class TestMachineLimits:
    @pytest.mark.parametrize("value", [LIMITS, FULL], ids=["least", "full"])
    def test_comes_back_from_json(self, value: dict[str, Any]) -> None:
        limits = MachineLimits.from_json(value)
        assert MachineLimits.from_json(json.loads(json.dumps(limits.to_json()))) == limits
        policy = Policy(machine=limits)
        assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy

    @pytest.mark.parametrize("name", sorted(LIMITS))
    def test_leaves_no_limit_out(self, name: str) -> None:
        with pytest.raises(PolicyInvalid, match=name):
            MachineLimits.from_json({key: value for key, value in LIMITS.items() if key != name})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("temperature_c_max", "300"), ("temperature_c_max", True), ("temperature_c_max", 0),
            ("temperature_c_max", -1), ("temperature_c_max", float("nan")), ("bed_c_max", float("inf")),
            ("feed_mm_s_max", 10**400),
            ("bed_c_max", None), ("feed_mm_s_max", 0), ("acceleration_mm_s2_max", 0), ("chamber_c_max", -1),
            ("dialect", "grbl"), ("dialect", None), ("tools", 0), ("tools", 1.0), ("tools", True),
            ("tools", 65),
            ("reach_mm", [[0, 0, 0]]), ("reach_mm", [[0, 0, 0], [1, 1]]),
            ("reach_mm", [[0, 0, 0], [1, 1, 0]]),
            ("reach_mm", [[0, 0, 0], [1, 1, float("inf")]]), ("reach_mm", "all"), ("home_mm", [0, 0]),
            ("home_mm", [0, 0, "0"]), ("macros", "START"), ("macros", [1]), ("macros", ["start_print"]),
            ("macros", ["X"]), ("macros", ["G1 X1"]), ("macros", ["A\nB"]), ("homing_macros", ["RUN;"]),
            ("surprise", 1),
        ],
    )  # fmt: skip
    def test_refuses(self, name: str, value: object) -> None:
        with pytest.raises(PolicyInvalid):
            MachineLimits.from_json(LIMITS | {name: value})

    def test_refuses_what_is_no_object(self) -> None:
        with pytest.raises(PolicyInvalid):
            MachineLimits.from_json([LIMITS])
