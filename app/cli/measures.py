"""What the gate measured, in a line: a part by facets and volume, a toolpath by moves, size and time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any


def measures(inspection: Mapping[str, Any]) -> dict[str, str]:
    """Give `mesh` or `toolpath` and its words, of an inspection's JSON; nothing where neither is there."""
    geometry, toolpath = inspection.get("geometry"), inspection.get("toolpath")
    if geometry:
        return {"mesh": f"{geometry['facets']:,} facets, {geometry['volume_mm3']:,.1f} mm³"}
    return {"toolpath": _toolpath(toolpath)} if toolpath else {}


def _toolpath(figures: Mapping[str, Any]) -> str:
    """What is extruded, and the least time it takes: acceleration is left out of it."""
    ends = zip(figures["extruded_low"], figures["extruded_high"], strict=True)
    size = " × ".join(f"{high[0] - low[0]:.4g}" for low, high in ends)
    least = timedelta(seconds=round(figures["time_s_min"]))
    filament = f"{figures['filament_mm'] / 1000:.3g} m of filament"
    return f"{figures['moves']:,} moves, {figures['layers']:,} layers, {size} mm, {filament}, over {least}"
