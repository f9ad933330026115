"""How far are points from a surface? Distances to the nearest pieces, and a proof that none is nearer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.comparison.pieces import Pieces
from mesh_tools.comparison.solid import Floats

_NEIGHBOURS = (1, 8, 32)
_BALLS = 256
_CHUNK = 1 << 15
_TINY = 1e-300
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each point the distance (n,) in mm to the surface, and the piece (n,) where it is attained."""

    distance: Floats
    piece: NDArray[np.int64]


def nearest(points: Floats, surface: Pieces, enough: Floats) -> Nearest:
    """Distances of `points` (n, 3) from `surface`, and whether they exceed `enough` (n,): that is exact.

    A point's nearest place lies on a piece whose centre is at most its distance and the pieces' cover away.
    So a point is done when a piece within `enough` is found, or when every piece whose centre is nearer than
    `enough` and the cover was looked at. The distances are upper bounds, mostly exact.
    """
    found = Nearest(np.full(len(points), np.inf), np.zeros(len(points), np.int64))
    rows = np.arange(len(points))
    for count in _NEIGHBOURS:
        count = min(count, len(surface.facet))
        step = max(1, _CHUNK // count)
        left = [
            _look(points, surface, count, rows[at : at + step], found, enough)
            for at in range(0, len(rows), step)
        ]
        rows = np.concatenate(left) if left else rows
        if not len(rows) or count == len(surface.facet):
            return found
    for at in range(0, len(rows), _BALLS):
        _look_around(points, surface, rows[at : at + _BALLS], found, enough)
    return found


def _look(points: Floats, surface: Pieces, count: int, rows: Rows, found: Nearest, enough: Floats) -> Rows:
    """Note the nearest of `count` pieces for the points of `rows`; gives the rows that are not done."""
    reach, near = surface.tree.query(points[rows], k=[*range(1, count + 1)])
    _note(points, surface, np.repeat(rows, count), near.reshape(-1).astype(np.int64), found)
    undone = (found.distance[rows] > enough[rows]) & (reach[:, -1] < enough[rows] + surface.cover)
    return np.asarray(rows[undone])


def _look_around(points: Floats, surface: Pieces, rows: Rows, found: Nearest, enough: Floats) -> None:
    """Note all pieces that may be within `enough` of the points of `rows`."""
    near = surface.tree.query_ball_point(points[rows], enough[rows] + surface.cover)
    counts = np.array([len(each) for each in near])
    pieces = np.fromiter(itertools.chain.from_iterable(near), np.int64, int(counts.sum()))
    rows = np.repeat(rows, counts)
    away = points[rows] - surface.centres[pieces]
    may = np.einsum("ij,ij->i", away, away) <= (found.distance[rows] + surface.radii[pieces]) ** 2
    _note(points, surface, rows[may], pieces[may], found)


def _note(points: Floats, surface: Pieces, rows: Rows, pieces: Rows, found: Nearest) -> None:
    """Keep for each row the nearest of its `pieces`; `rows`, ascending, repeats a row for each of them."""
    if not len(rows):
        return
    apart = point_triangle(points[rows], surface.corners[pieces])
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    least = np.repeat(np.minimum.reduceat(apart, starts), np.diff(starts, append=len(rows)))
    first = np.flatnonzero((apart == least) & (apart < found.distance[rows]))[::-1]
    found.distance[rows[first]], found.piece[rows[first]] = apart[first], pieces[first]


def point_triangle(points: Floats, triangles: Floats) -> Floats:
    """Distance (n,) of each point (n, 3) from its triangle (n, 3, 3), which may be but a segment."""
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
    distance: Floats = np.sqrt(squared)
    return distance
