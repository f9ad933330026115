"""How far are points from a surface? Exact distances to the nearest pieces, and a proof that none is nearer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.comparison.pieces import Pieces
from mesh_tools.comparison.solid import Floats

_NEIGHBOURS = (1, 6, 24, 96)
_CHUNK = 1 << 15
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each point the distance (n,) in mm to the surface, and the piece (n,) where it is attained."""

    distance: Floats
    piece: NDArray[np.int64]


def nearest(points: Floats, surface: Pieces, enough: Floats) -> Nearest:
    """Distances of `points` (n, 3) from `surface`; exact for every point farther away than `enough` (n,).

    A point's nearest place lies on a piece whose centre is at most its distance and the pieces' cover away, so
    the search ends once the neighbours looked at reach that far. What is found nearer than `enough` is an
    upper bound and not looked at again.
    """
    distance = np.full(len(points), np.inf)
    piece = np.zeros(len(points), np.int64)
    open_ = np.arange(len(points))
    for count in _NEIGHBOURS:
        left = []
        for start in range(0, len(open_), max(1, _CHUNK // count)):
            rows = open_[start : start + max(1, _CHUNK // count)]
            reach = _look(points[rows], surface, min(count, len(surface.facet)), rows, distance, piece)
            left.append(rows[(distance[rows] > enough[rows]) & (reach < distance[rows] + surface.cover)])
        open_ = np.concatenate(left) if left else open_[:0]
        if not len(open_) or count >= len(surface.facet):
            break
    return Nearest(distance, piece)


def _look(
    points: Floats, surface: Pieces, count: int, rows: NDArray[np.int64], distance: Floats, piece: NDArray[np.int64]
) -> Floats:
    """Note the nearest of `count` pieces for each point; gives how far the centres looked at reach."""
    reach, near = surface.tree.query(points, k=[*range(1, count + 1)])
    near = near.astype(np.int64)
    apart = point_triangle(np.repeat(points, count, axis=0), surface.corners[near.reshape(-1)]).reshape(-1, count)
    best = apart.argmin(axis=1)
    at = np.arange(len(points))
    better = apart[at, best] < distance[rows]
    distance[rows[better]] = apart[at, best][better]
    piece[rows[better]] = near[at, best][better]
    last: Floats = reach[:, -1]
    return last


def point_triangle(points: Floats, triangles: Floats) -> Floats:
    """Distance (n,) of each point (n, 3) from its triangle (n, 3, 3), degenerate ones as the segment they are."""
    squared = np.full(len(points), np.inf)
    edges = np.roll(triangles, -1, axis=1) - triangles
    normal = np.cross(edges[:, 0], edges[:, 1])
    inside = np.ones(len(points), bool)
    for corner in range(3):
        edge = edges[:, corner]
        off = points - triangles[:, corner]
        along = np.einsum("ij,ij->i", off, edge) / np.maximum(np.einsum("ij,ij->i", edge, edge), _TINY)
        rest = off - np.clip(along, 0, 1)[:, None] * edge
        np.minimum(squared, np.einsum("ij,ij->i", rest, rest), out=squared)
        inside &= np.einsum("ij,ij->i", np.cross(edge, off), normal) >= 0
    length = np.einsum("ij,ij->i", normal, normal)
    height = np.einsum("ij,ij->i", points - triangles[:, 0], normal)
    inside &= length > 0
    plane = height[inside] ** 2 / length[inside]
    squared[inside] = np.minimum(squared[inside], plane)
    return np.sqrt(squared)
