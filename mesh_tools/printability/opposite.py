"""How far the face opposite lies: inward it is a wall's thickness, outward the width of a gap.

A ray leaves each sample along its facet's normal. Embree names the facet it meets first; the distance is that
from the sample to the nearest point of that facet, so plane walls are exact. Only faces that
look at each other within `PARALLEL_DEGREES` count: the surface beside every sharp edge is close to another,
and is no wall. One ray along the normal and no cone about it: a cone shortens round rods and adds nothing
that more samples do not.

Faces closer than `NEAREST` of the part's extent count as one; Embree computes in single precision.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mesh_tools.comparison.distance import point_triangle
from mesh_tools.printability.placed import Doubles, Placed
from mesh_tools.printability.rays import Rays
from mesh_tools.printability.sampling import Samples

PARALLEL_DEGREES = 30.0
NEAREST = 5e-7

_FACING = -math.cos(math.radians(PARALLEL_DEGREES))
Side = Literal["inward", "outward"]


def distances(placed: Placed, rays: Rays, samples: Samples, side: Side) -> Doubles:
    """Distance (n,) in mm from each sample to the face opposite; infinite where none looks at it."""
    normals = placed.normals[samples.facets]
    directions = normals if side == "outward" else -normals
    starts = samples.points + directions * np.float32(NEAREST * placed.extent)
    hits = rays.first_hits(starts, directions)
    facing: NDArray[np.bool_] = hits >= 0
    facing &= np.einsum("ij,ij->i", normals, placed.normals[hits]) <= _FACING
    found = np.full(len(hits), np.inf)
    opposite = placed.corners[hits[facing]].astype(np.float64)
    found[facing] = point_triangle(samples.points[facing].astype(np.float64), opposite)
    return found
