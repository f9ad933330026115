"""How far may the same part lie from its master? A base tolerance and the sagitta of the master's own facets.

Base: 1/5000 of the diagonal, at least 0.02 mm and at most 0.1 mm. It covers what exports and repairs do to a
flat face: six-digit text (0.0005 mm at 100 mm), float32, vertices welded within 0.01 mm, decimation within
0.01 mm. It lies below what any process of ISO/ASTM 52900 resolves.

Sagitta: where facets stand for a curved face, another tessellation of the same curve lies off by up to the
height of the arc over the chord. It is taken from the master alone (the file must not widen its own bounds):
for an edge between facets that turn by θ < 35° and are w wide across it, w·θ/8. Twice that is allowed, so a
file may be up to √2 coarser than its master and as fine as it likes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesh_tools.comparison.solid import Floats, Solid

BASE_MM_MIN, BASE_MM_MAX, BASE_OF_DIAGONAL = 0.02, 0.1, 2e-4
SMOOTH_EDGE = np.deg2rad(35.0)
_SAGITTAS_ALLOWED = 2.0
_SAGITTA_OF_DIAGONAL = 5e-3
Indices = NDArray[np.int64]


def base_tolerance(master: Solid) -> float:
    """Tolerance in mm on flat faces."""
    return float(np.clip(BASE_OF_DIAGONAL * master.diagonal, BASE_MM_MIN, BASE_MM_MAX))


def facet_tolerances(master: Solid) -> Floats:
    """Tolerance in mm (n,) near each facet of `master`."""
    allowance = np.minimum(_SAGITTAS_ALLOWED * sagittas(master), _SAGITTA_OF_DIAGONAL * master.diagonal)
    tolerances: Floats = base_tolerance(master) + allowance
    return tolerances


def sagittas(solid: Solid) -> Floats:
    """Height in mm (n,) of the arc over each facet, the largest of those around its corners."""
    keys = solid.vertex_keys
    own = np.zeros(len(keys))
    first, second = _smooth_pairs(solid)
    np.add.at(own, first // 3, _heights(solid, first, second))
    np.add.at(own, second // 3, _heights(solid, second, first))
    _, vertex = np.unique(keys, return_inverse=True)
    vertex = vertex.reshape(-1, 3)
    highest = np.zeros(int(vertex.max()) + 1)
    np.maximum.at(highest, vertex, own[:, None])
    return np.asarray(highest[vertex].max(axis=1))


def _smooth_pairs(solid: Solid) -> tuple[Indices, Indices]:
    """Half-edges (3·facet + place) on both sides of every edge that two facets with area share smoothly."""
    keys = solid.vertex_keys
    edges = (keys + np.roll(keys, -1, axis=1)).reshape(-1)
    order = np.argsort(edges, kind="stable")
    ranked = edges[order]
    pair = np.flatnonzero(ranked[1:] == ranked[:-1])
    first, second = order[pair], order[pair + 1]
    smooth = _turn(solid, first // 3, second // 3) < SMOOTH_EDGE
    return first[smooth], second[smooth]


def _heights(solid: Solid, half: Indices, other: Indices) -> Floats:
    """w·θ/8 for the facets of `half`, w their width across the shared edge."""
    facet, place = half // 3, half % 3
    edge = solid.corners[facet, (place + 1) % 3] - solid.corners[facet, place]
    length = np.linalg.norm(edge, axis=1)
    width = np.divide(2 * solid.areas[facet], length, out=np.zeros(len(half)), where=length > 0)
    return np.asarray(width * _turn(solid, facet, other // 3) / 8)


def _turn(solid: Solid, first: Indices, second: Indices) -> Floats:
    """Angle between the normals of two facets; π where one has no area."""
    size = solid.areas[first] * solid.areas[second]
    cosine = np.einsum("ij,ij->i", solid.normals[first], solid.normals[second])
    cosine = np.divide(cosine, size, out=np.full(len(size), -1.0), where=size > 0)
    return np.asarray(np.arccos(np.clip(cosine, -1, 1)))
