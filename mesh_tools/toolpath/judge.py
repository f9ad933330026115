"""Holds the figures of a toolpath to the machine that is to run it."""

from __future__ import annotations

from collections.abc import Iterator

from mesh_tools.findings import Finding, finding
from mesh_tools.toolpath.machine import Corner, MachineLimits
from mesh_tools.toolpath_record import Extreme, Toolpath

_SLACK_MM = 1e-6


def within(toolpath: Toolpath, machine: MachineLimits, build_volume_mm: Corner | None) -> tuple[Finding, ...]:
    """What of `toolpath` the machine cannot do: places, temperatures, feed rates, accelerations.

    Moves are held to the machine's reach; where that is None, to the build volume from (0, 0, 0). With
    neither, nothing says what is outside, and that is a refusal.
    """
    reach = machine.reach_mm
    if reach is None:
        if build_volume_mm is None:
            message = "The policy has neither the machine's reach nor its build volume."
            return (finding("toolpath.no_machine", message),)
        reach = ((0.0, 0.0, 0.0), build_volume_mm)
    return (*_outside(toolpath, reach), *_over(toolpath, machine))


def _outside(toolpath: Toolpath, reach: tuple[Corner, Corner]) -> Iterator[Finding]:
    rows: list[tuple[str, Extreme, float]] = []
    for axis, name in enumerate("XYZ"):
        low, high = toolpath.low[axis], toolpath.high[axis]
        if low.value < reach[0][axis] - _SLACK_MM:
            rows.append((f"{name} {low.value:.6g} mm", low, reach[0][axis]))
        if high.value > reach[1][axis] + _SLACK_MM:
            rows.append((f"{name} {high.value:.6g} mm", high, reach[1][axis]))
    if rows:
        text = "; ".join(f"line {where.line}: {place}, the end is {end:.6g}" for place, where, end in rows)
        yield finding("toolpath.outside", f"The nozzle would leave the machine: {text}.", count=len(rows))


def _over(toolpath: Toolpath, machine: MachineLimits) -> Iterator[Finding]:
    rows = (
        ("toolpath.temperature", "°C at the nozzle", toolpath.temperature_c, machine.temperature_c_max),
        ("toolpath.bed_temperature", "°C at the bed", toolpath.bed_c, machine.bed_c_max),
        ("toolpath.chamber_temperature", "°C in the chamber", toolpath.chamber_c, machine.chamber_c_max),
        ("toolpath.feed", "mm/s", toolpath.feed_mm_s, machine.feed_mm_s_max),
        (
            "toolpath.acceleration",
            "mm/s²",
            toolpath.acceleration_mm_s2,
            machine.acceleration_mm_s2_max,
        ),
    )
    for code, unit, asked, allowed in rows:
        if asked.value > allowed * (1 + 1e-9):
            message = f"Line {asked.line}: {asked.value:.6g} {unit}; the machine does {allowed:.6g}."
            yield finding(code, message)
