"""How fast a toolpath is read and held to a machine: a wall of an ordinary slicer's lines."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, announce
from benchmarks.vault.steady import middle_half
from mesh_tools.limits import Limits
from mesh_tools.toolpath.examine import examine_toolpath
from mesh_tools.toolpath.machine import MachineLimits

ROUNDS = 5
LINES = 1_000_000
AROUND = 400
MACHINE = MachineLimits(
    temperature_c_max=300, bed_c_max=120, feed_mm_s_max=500, acceleration_mm_s2_max=20_000
)
ROOM_MM = (250.0, 210.0, 1000.0)


def figures() -> Iterator[Figure]:
    """Yield the lines read in a second; the first round is dropped."""
    announce(f"toolpath of {LINES} lines, {ROUNDS} rounds")
    text = _cylinder(LINES)
    rates = []
    for _ in range(1 + ROUNDS):
        begun = time.perf_counter()
        toolpath, findings = examine_toolpath(
            memoryview(text), "gcode", "wall.gcode", Limits(), MACHINE, ROOM_MM
        )
        rates.append(text.count(b"\n") / (time.perf_counter() - begun) / 1e6)
        refused = [found for found in findings if found.severity == "refuse"]
        assert toolpath is not None, findings
        assert not refused, refused
    value, spread = statistics.median(rates[1:]), middle_half(rates[1:])
    yield Figure("G-code lines read and judged", value, "M/s", 1.5, "higher", spread)


def _cylinder(lines: int) -> bytes:
    """A round wall of 0.2 mm layers, written as slicers do: millimetres, relative extrusion."""
    head = b"G21\nG90\nM83\nM140 S60\nM104 S210\nG28\nM190 S60\nM109 S210\n"
    turns = [2 * math.pi * step / AROUND for step in range(AROUND)]
    ring = "".join(
        f"G1 X{120 + 60 * math.cos(turn):.3f} Y{105 + 60 * math.sin(turn):.3f} E.03135\n" for turn in turns
    ).encode()
    layers = lines // (AROUND + 1)
    body = b"".join(b"G1 Z%.2f F9000\n%b" % (0.2 + 0.2 * layer, ring) for layer in range(layers))
    return head + body + b"M104 S0\nM140 S0\nM84\n"
