"""The slicer's settings, made from the signed recipe by an allow-list.

A slicer's settings can run programs (`post_process`) and write any G-code. So none is ever taken over as
text: a recipe's parameter is a number or a switch of the table below, held to its range, and everything else
in the file is this module's own. A parameter that is not in the table refuses the print: the owner signed a
recipe that this slicer could not keep.

| parameter | range | PrusaSlicer's settings |
|---|---|---|
| layer_height_mm | 0.04 to 0.8 × the nozzle | layer_height, first_layer_height |
| perimeters | 1 to 20 | perimeters |
| solid_layers | 0 to 100 | top_solid_layers, bottom_solid_layers |
| infill_percent | 0 to 100 | fill_density |
| nozzle_c | 0 to the machine's | temperature, first_layer_temperature |
| bed_c | 0 to the machine's | bed_temperature, first_layer_bed_temperature |
| supports | true, false | support_material |
| brim_mm | 0 to 30 | brim_width |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mesh_tools.toolpath.machine import MachineLimits
from printer_agent.errors import GateRefused
from printer_agent.machine import Machine

_MATERIALS_C = {"PLA": (215, 60), "PETG": (240, 80), "ABS": (250, 100), "ASA": (255, 100), "TPU": (230, 45)}
"""Usual temperatures of nozzle and bed; other materials need nozzle_c and bed_c in the recipe."""
_DEFAULTS: Mapping[str, Any] = {
    "layer_height_mm": 0.2,
    "perimeters": 2,
    "solid_layers": 4,
    "infill_percent": 15,
    "supports": False,
    "brim_mm": 0,
}
_FLAVOURS = {"marlin": "marlin2", "klipper": "klipper", "reprapfirmware": "reprapfirmware"}
_FEEDS = {
    "perimeter_speed": 45,
    "external_perimeter_speed": 25,
    "small_perimeter_speed": 25,
    "infill_speed": 80,
    "solid_infill_speed": 80,
    "top_solid_infill_speed": 40,
    "support_material_speed": 60,
    "bridge_speed": 60,
    "gap_fill_speed": 20,
    "travel_speed": 130,
    "first_layer_speed": 20,
}
"""mm/s, each lowered to what the machine does."""


def profile(recipe: Mapping[str, Any], machine: Machine) -> str:
    """Make the settings for a recipe on a machine, as PrusaSlicer's ini.

    Raises GateRefused where the recipe asks for what is not in the table or out of its range, or machine.json
    describes no limits.
    """
    limits = machine.limits
    if limits is None:
        raise GateRefused(
            "no_limits", "machine.json says nothing of the machine's limits", "describe them under `limits`"
        )
    asked = {**_DEFAULTS, **_temperatures(recipe), **_parameters(recipe)}
    layer = _number(asked, "layer_height_mm", 0.04, 0.8 * machine.nozzle_mm)
    solid = _whole(asked, "solid_layers", 0, 100)
    nozzle, bed = (
        _whole(asked, "nozzle_c", 0, limits.temperature_c_max),
        _whole(asked, "bed_c", 0, limits.bed_c_max),
    )
    settings = {
        **_fixed(machine, limits),
        "layer_height": layer,
        "first_layer_height": layer,
        "perimeters": _whole(asked, "perimeters", 1, 20),
        "top_solid_layers": solid,
        "bottom_solid_layers": solid,
        "fill_density": f"{_number(asked, 'infill_percent', 0, 100):g}%",
        "temperature": nozzle,
        "first_layer_temperature": nozzle,
        "bed_temperature": bed,
        "first_layer_bed_temperature": bed,
        "support_material": int(_switch(asked, "supports")),
        "brim_width": _number(asked, "brim_mm", 0, 30),
    }
    return "".join(f"{name} = {_text(value)}\n" for name, value in settings.items())


def _fixed(machine: Machine, limits: MachineLimits) -> dict[str, object]:
    """What no recipe has a say in. The G-code at start and end is the operator's."""
    x, y, z = machine.build_volume_mm
    low = (0.0, 0.0, 0.0) if limits.reach_mm is None else limits.reach_mm[0]
    corners = ((low[0], low[1]), (low[0] + x, low[1]), (low[0] + x, low[1] + y), (low[0], low[1] + y))
    return {
        "post_process": "",
        "start_gcode": r"\n".join(machine.start_gcode),
        "end_gcode": r"\n".join(machine.end_gcode),
        "before_layer_gcode": "",
        "layer_gcode": "",
        "toolchange_gcode": "",
        "between_objects_gcode": "",
        "output_filename_format": "out.gcode",
        "gcode_flavor": _FLAVOURS[limits.dialect],
        "gcode_comments": 0,
        "thumbnails": "",
        "printer_notes": "",
        "machine_limits_usage": "ignore",
        "bed_shape": ",".join(f"{a:g}x{b:g}" for a, b in corners),
        "max_print_height": z,
        "nozzle_diameter": machine.nozzle_mm,
        "filament_diameter": machine.filament_mm,
        **{name: min(feed, limits.feed_mm_s_max) for name, feed in _FEEDS.items()},
    }


def _temperatures(recipe: Mapping[str, Any]) -> dict[str, Any]:
    known = _MATERIALS_C.get(str(recipe.get("material")))
    return {} if known is None else {"nozzle_c": known[0], "bed_c": known[1]}


def _parameters(recipe: Mapping[str, Any]) -> dict[str, Any]:
    parameters = recipe.get("parameters") or {}
    allowed = {*_DEFAULTS, "nozzle_c", "bed_c"}
    unknown = sorted(set(parameters) - allowed) if isinstance(parameters, Mapping) else ["parameters"]
    if unknown:
        raise GateRefused(
            "recipe_parameter",
            f"the recipe asks for {', '.join(map(str, unknown))}, which this slicer does not offer",
            f"parameters it keeps: {', '.join(sorted(allowed))}",
        )
    return dict(parameters)


def _number(asked: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise GateRefused(
            "recipe_parameter", f"{name} is {value!r}, this machine's slicer takes {low:g} to {high:g}"
        )
    return float(value)


def _whole(asked: Mapping[str, Any], name: str, low: float, high: float) -> int:
    value = _number(asked, name, low, high)
    if not value.is_integer():
        raise GateRefused("recipe_parameter", f"{name} is {value!r}, not a whole number")
    return int(value)


def _switch(asked: Mapping[str, Any], name: str) -> bool:
    value = asked.get(name)
    if not isinstance(value, bool):
        raise GateRefused("recipe_parameter", f"{name} is {value!r}, not true or false")
    return value


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
