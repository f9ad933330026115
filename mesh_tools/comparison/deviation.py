"""The two-sided test: which samples of either surface lie off the other one, or face the wrong way there?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mesh_tools.comparison.distance import Nearest, nearest, point_triangle
from mesh_tools.comparison.pieces import Pieces
from mesh_tools.comparison.places import Deviations
from mesh_tools.comparison.solid import Floats

ADDED, MISSING, TURNED = range(3)
_FACING_AWAY = -0.5
_NEIGHBOURS = 24
_THIN = 4.0
_SPECKS_MAX, _COMPANY = 200, 4


def deviations(master: Pieces, file: Pieces, tolerances: Floats) -> tuple[Deviations, float]:
    """What lies off, and the largest distance found. `file` stands in the master's place.

    `tolerances` (n,) are those of the master's facets and hold both ways: a file cannot widen its own bounds.

    Samples are the centres of all pieces and all vertices of both surfaces.
    """
    points = np.concatenate([file.centres, file.solid.vertices])
    found = nearest(points, master, np.full(len(points), tolerances.min()))
    ahead = _beyond_master(master, points, found, tolerances)
    back, other = _beyond_file(master, file, tolerances)
    turned = _turned(master, file, found.piece[: len(file.centres)], tolerances)
    parts = (ahead, back, turned)
    every = Deviations(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.distance for part in parts]),
        np.concatenate([part.change for part in parts]),
    )
    return _without_specks(every, float(tolerances.max()), master.edge + file.edge), max(
        _most(found.distance), other
    )


def _without_specks(found: Deviations, tolerance: float, gap: float) -> Deviations:
    """Leave out what is at most twice the largest tolerance off and has no company: where faces meet at a
    slant, the corner of two chords lies farther off than either chord.
    """
    if not 0 < len(found.points) <= _SPECKS_MAX:
        return found
    near = cKDTree(found.points).query_ball_point(found.points, gap, return_length=True)
    kept = (near >= _COMPANY) | (found.distance > 2 * tolerance) | (found.change == TURNED)
    return Deviations(found.points[kept], found.distance[kept], found.change[kept])


def _beyond_master(master: Pieces, points: Floats, found: Nearest, tolerances: Floats) -> Deviations:
    off = found.distance > tolerances[master.facet[found.piece]]
    outside = _above(points[off], master, found.piece[off])
    return Deviations(points[off], found.distance[off], np.where(outside, ADDED, MISSING))


def _beyond_file(master: Pieces, file: Pieces, tolerances: Floats) -> tuple[Deviations, float]:
    _, first = np.unique(master.solid.vertex_keys, return_index=True)
    points = np.concatenate([master.centres, master.solid.corners.reshape(-1, 3)[first]])
    own = tolerances[np.concatenate([master.facet, first // 3])]
    found = nearest(points, file, own)
    off = found.distance > own
    outside = _above(points[off], file, found.piece[off])
    return Deviations(points[off], found.distance[off], np.where(outside, MISSING, ADDED)), _most(
        found.distance
    )


def _turned(master: Pieces, file: Pieces, near: NDArray[np.int64], tolerances: Floats) -> Deviations:
    """Pieces of the file on the master's surface where all of that faces the other way: a skin turned inside
    out, or a slit thinner than the tolerance. Slivers are left out: rounding turns them.
    """
    longest = np.linalg.norm(np.roll(file.solid.corners, -1, axis=1) - file.solid.corners, axis=2).max(axis=1)
    broad = 2 * file.solid.areas > _THIN * tolerances.min() * longest
    rows = np.flatnonzero(broad[file.facet])
    rows = rows[np.einsum("ij,ij->i", file.normals[rows], master.normals[near[rows]]) < _FACING_AWAY]
    if not len(rows):
        return Deviations(np.empty((0, 3)), np.empty(0), np.empty(0, np.int64))
    count = min(_NEIGHBOURS, len(master.facet))
    _, around = master.tree.query(file.centres[rows], k=[*range(1, count + 1)])
    apart = point_triangle(np.repeat(file.centres[rows], count, axis=0), master.corners[around.reshape(-1)])
    close = apart.reshape(-1, count) <= tolerances[master.facet[around]]
    facing = np.einsum("nj,nkj->nk", file.normals[rows], master.normals[around]) >= _FACING_AWAY
    wrong = close.any(axis=1) & ~(close & facing).any(axis=1)
    depth = np.where(close, apart.reshape(-1, count), 0.0).max(axis=1)
    return Deviations(file.centres[rows][wrong], depth[wrong], np.full(int(wrong.sum()), TURNED))


def _above(points: Floats, surface: Pieces, piece: NDArray[np.int64]) -> NDArray[np.bool_]:
    side = np.einsum("ij,ij->i", points - surface.centres[piece], surface.normals[piece])
    return np.asarray(side > 0)


def _most(distance: Floats) -> float:
    return float(distance.max(initial=0.0))
