"""Faces with any number of corners as triangles, where every way to split them gives the same surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits

Points = NDArray[np.float64]
Facets = NDArray[np.int32]
Integers = NDArray[np.int64]

CORNERS_MAX = 1024
_FLAT_SHARE = 1e-3
_CHUNK = 4096


def triangulated(points: Points, sizes: Integers, corners: Integers, limits: Limits) -> Facets:
    """Triangles (m, 3) of faces of `sizes` (n,) corners, listed one after another in `corners`.

    Raises Refused: mesh.index_range for a corner that is not there, limit.facets and limit.vertices,
    mesh.polygons for a face with fewer than three corners, or with more that is not flat and convex (to a
    thousandth of its size): readers would split it into different surfaces.
    """
    if len(points) > limits.vertices_max:
        raise Refused("limit.vertices", f"{len(points)} vertices; the limit is {limits.vertices_max}.")
    if int(np.maximum(sizes - 2, 0).sum()) > limits.facets_max:
        raise Refused("limit.facets", f"More than {limits.facets_max} facets.")
    if corners.size and (int(corners.min()) < 0 or int(corners.max()) >= len(points)):
        raise Refused("mesh.index_range", f"A face names a vertex beyond the {len(points)} that are there.")
    if len(sizes) and (int(sizes.min()) < 3 or int(sizes.max()) > CORNERS_MAX):
        raise Refused("mesh.polygons", f"A face has {int(sizes.min())} or {int(sizes.max())} corners.")
    starts = np.cumsum(sizes) - sizes
    found = [
        _fans(points, corners[starts[sizes == size][:, None] + np.arange(size)]) for size in np.unique(sizes)
    ]
    facets = np.concatenate(found) if found else np.zeros((0, 3), np.int64)
    return np.ascontiguousarray(facets, np.int32)


def _fans(points: Points, faces: Integers) -> Integers:
    """Triangles of faces (n, k) that share a face's first corner."""
    size = faces.shape[1]
    if size > 3:
        for start in range(0, len(faces), _CHUNK):
            _check(points[faces[start : start + _CHUNK]])
    first = np.repeat(faces[:, :1], size - 2, axis=1)
    return np.stack([first, faces[:, 1:-1], faces[:, 2:]], axis=-1).reshape(-1, 3)


def _check(corners: Points) -> None:
    """Faces (n, k, 3) are flat and convex, and go round once."""
    arms = corners - corners[:, :1]
    crosses = np.cross(arms[:, 1:-1], arms[:, 2:])
    normals = crosses.sum(axis=1)
    lengths = np.linalg.norm(normals, axis=1)
    reach = np.linalg.norm(arms, axis=2).max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = normals / lengths[:, None]
        heights = np.abs(np.einsum("nki,ni->nk", arms, units)).max(axis=1)
        edges = np.roll(corners, -1, axis=1) - corners
        turns = np.cross(edges, np.roll(edges, -1, axis=1))
        slack = -_FLAT_SHARE * reach**2
        fan = np.einsum("nki,ni->nk", crosses, units).min(axis=1) >= slack
        bends = np.einsum("nki,ni->nk", turns, units).min(axis=1) >= slack
        sound = (heights <= _FLAT_SHARE * reach) & fan & bends
    if not sound.all():
        count = int(np.count_nonzero(~sound))
        raise Refused("mesh.polygons", f"{count} faces with more than three corners are not flat and convex.")
