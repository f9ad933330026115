"""What leans out further than the process builds without support, as the part stands in its file."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mesh_tools.printability.placed import Numbers, Placed

PLATE_MM = 0.05
_SLACK_DEGREES = 0.1


@dataclass(frozen=True, eq=False)
class Overhang:
    """`share` of the whole surface, and the facets it is made of."""

    share: float
    facets: Numbers


def overhang(placed: Placed, degrees_max: float) -> Overhang:
    """Facets that look down and lean more than `degrees_max` from the vertical (90: a ceiling).

    Facets within `PLATE_MM` of the lowest point rest on the build plate.
    """
    hanging = -placed.normals[:, 2] > math.sin(math.radians(min(degrees_max + _SLACK_DEGREES, 90)))
    heights = placed.corners[:, :, 2]
    plate = heights.min() + PLATE_MM
    hanging &= heights.max(axis=1) > plate
    whole = float(placed.areas.sum())
    return Overhang(float(placed.areas[hanging].sum()) / whole if whole else 0.0, np.flatnonzero(hanging))
