"""A plate as a job of the sandbox: the files of its parts in, one canonical mesh of all of them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mesh_tools.answer import Answer
from mesh_tools.arrange import SLACK_MM, Spot, require_placed
from mesh_tools.canonical import canonical_form
from mesh_tools.canonical_words import FILE
from mesh_tools.comparison.solid import Floats, Solid
from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load


def arrange_files(
    inputs: Sequence[memoryview], names: Sequence[str], options: Mapping[str, Any], limits: Limits
) -> Answer:
    """The canonical form of all inputs, each at its spot, as the blob `FILE`.

    Options: `spots`, one for each input; `room_mm`, three sides; `unit_mm`, of each input, for formats that
    carry none. Refused where a part stands off the bed or upon another, or is too high.
    """
    spots = [Spot(**spot) for spot in options["spots"]]
    units = options["unit_mm"]
    if not len(inputs) == len(spots) == len(units):
        raise Refused("input.too_large", f"{len(inputs)} files for {len(spots)} spots on the plate.")
    solids = [
        Solid.of_model(load(data, name, limits), unit)
        for data, name, unit in zip(inputs, names, units, strict=True)
    ]
    if sum(len(solid.corners) for solid in solids) > limits.facets_max:
        raise Refused("input.too_large", f"The plate has more than {limits.facets_max} facets.")
    form = canonical_form(arranged(solids, spots, options["room_mm"]))
    return Answer(form.to_json(), {FILE: form.data})


def arranged(solids: Sequence[Solid], spots: Sequence[Spot], room_mm: Sequence[float]) -> Solid:
    """Turn and move each part to its spot, its lowest point on the bed; see `mesh_tools.arrange`."""
    parts = [_turned(solid, spot.turn_deg) for solid, spot in zip(solids, spots, strict=True)]
    sizes = [tuple(float(side) for side in np.ptp(part.reshape(-1, 3), axis=0)) for part in parts]
    straight = [Spot(spot.x_mm, spot.y_mm) for spot in spots]
    require_placed([(size[0], size[1]) for size in sizes], straight, (room_mm[0], room_mm[1]))
    for place, size in enumerate(sizes):
        if size[2] > room_mm[2] + SLACK_MM:
            message = f"Part {place} of the plate is {size[2]:.4g} mm high; the room is {room_mm[2]:.4g} mm."
            raise Refused("build.too_large", message)
    moved = [
        part - part.reshape(-1, 3).min(axis=0) + (spot.x_mm, spot.y_mm, 0.0)
        for part, spot in zip(parts, spots, strict=True)
    ]
    return Solid(np.concatenate(moved))


def _turned(solid: Solid, turn_deg: float) -> Floats:
    """The corners, turned counter-clockwise about the vertical; by right angles without any rounding."""
    quarter = turn_deg / 90.0
    if quarter == int(quarter):
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter) % 4]
    else:
        cos, sin = float(np.cos(np.radians(turn_deg))), float(np.sin(np.radians(turn_deg)))
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    turned: Floats = solid.corners @ turn
    return turned
