"""Would the holes close if corners that nearly meet were welded? Advice only: nothing is repaired."""

from __future__ import annotations

import numpy as np

from mesh_tools.model import Body
from mesh_tools.topology import examine
from mesh_tools.vertex_keys import VertexKeys

FACETS_MAX = 2_000_000
TOLERANCE_MM = 1e-3


def closes_when_welded(body: Body, unit_mm: float) -> bool:
    """Whether rounding every corner to a grid of `TOLERANCE_MM` leaves no open edge.

    Two grids, half a step apart, are tried: corners that meet may fall on both sides of a grid line.
    Finite coordinates only; answers False without trying above `FACETS_MAX`.
    """
    if body.facet_count > FACETS_MAX:
        return False
    step = TOLERANCE_MM / unit_mm
    return any(_closed(body, step, offset) for offset in (0.0, 0.5))


def _closed(body: Body, step: float, offset: float) -> bool:
    cells = np.floor(body.points.astype(np.float64) / step + offset)
    topology = examine(VertexKeys().of_corners(Body(cells, body.facets)))
    return not topology.open_edges.count
