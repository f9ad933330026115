"""Toolpaths for the tests, and the machine they are for."""

from __future__ import annotations

from typing import Any

MACHINE_LIMITS: dict[str, Any] = {
    "temperature_c_max": 280,
    "bed_c_max": 100,
    "feed_mm_s_max": 200,
    "acceleration_mm_s2_max": 5000,
}
MADE_FOR: dict[str, Any] = {"build_volume_mm": [250, 210, 210], "machine": MACHINE_LIMITS}
"""The members of a recipe that say which machine a toolpath was made for."""


def square(side_mm: float = 20, *, nozzle_c: int = 215, layers: int = 2) -> bytes:
    """Layers of one square, printed from the corner (10, 10)."""
    start = ["G21", "G90", "M83", "G28", f"M109 S{nozzle_c}", "G1 X10 Y10 F3000"]
    far = 10 + side_mm
    turns = [f"G1 X{far} E1", f"G1 Y{far} E1", "G1 X10 E1", "G1 Y10 E1"]
    layered = [line for n in range(1, layers + 1) for line in (f"G1 Z{n * 0.2:.1f}", *turns)]
    return "\n".join([*start, *layered, "M104 S0", ""]).encode()
