"""Around which vertices do the facets provably not overlap? A linear test in place of comparing pairs.

The facets around a vertex meet in nothing but their common edges when, seen along some direction, all of
them face the viewer and go round the vertex exactly once: the view is then one to one. On a smooth surface
the mean normal is such a direction, and so it is on most corners of machined parts. Where it is not, better
ones are sought a few times by adding the normals that faced away (Rosenblatt's perceptron). Facets around the
vertices that are left must be compared by pairs.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from mesh_tools.intersections.box_tree import Mask, Places
from mesh_tools.intersections.surface import Surface, axes
from mesh_tools.intersections.vectors import Numbers, Vectors, cross, dot

_CHUNK = 8192
_ROUNDS = 4
_FACING = 1e-6
_NEEDLE = 1e-9
_TURN = float(1 << 32)


def unproven_vertices(surface: Surface) -> Mask:
    """The vertices (points,) around which facets may overlap; around all others they provably don't."""
    normals, needles = _normals(surface)
    views = _sums(surface, normals)
    ranks = (
        np.random.default_rng(secrets.randbits(128)).integers(0, 1 << 31, surface.points).astype(np.float64)
    )
    doubtful = np.zeros(surface.points, np.bool_)
    doubtful[surface.vertices[:, needles]] = True
    unproven = np.ones(surface.points, np.bool_)
    facets = np.arange(len(surface.numbers), dtype=np.int32)
    for _ in range(_ROUNDS):
        away = _round(surface, facets, normals, views, ranks)
        unproven &= away | doubtful
        facets = np.flatnonzero((unproven & ~doubtful)[surface.vertices].any(axis=0)).astype(np.int32)
        if not len(facets):
            break
    return unproven


def _normals(surface: Surface) -> tuple[Vectors, Places]:
    """Unit normals (3, n), and the facets too narrow to have an accurate one."""
    normals = np.empty((3, len(surface.numbers)))
    narrow = []
    for start in range(0, len(surface.numbers), _CHUNK):
        corners = axes(surface, slice(start, start + _CHUNK))
        first, second = corners[1] - corners[0], corners[2] - corners[0]
        third = second - first
        normal = cross(first, second)
        length = np.sqrt(dot(normal, normal))
        longest = np.maximum(np.maximum(dot(first, first), dot(second, second)), dot(third, third))
        narrow.append(start + np.flatnonzero(length <= _NEEDLE * longest))
        np.divide(normal, length, out=normals[:, start : start + _CHUNK], where=length > 0)
        normals[:, narrow[-1]] = 0
    return normals, np.concatenate(narrow).astype(np.int32)


def _sums(surface: Surface, normals: Vectors) -> NDArray[np.float64]:
    """The sum (points, 3) of the normals around each vertex."""
    corner = surface.vertices.reshape(-1).astype(np.intp)
    return np.stack([np.bincount(corner, np.tile(row, 3), surface.points) for row in normals], axis=1)


def _round(
    surface: Surface, facets: Places, normals: Vectors, views: NDArray[np.float64], ranks: Numbers
) -> Mask:
    """The vertices of `facets` that `views` do not prove; adds the normals that faced away to their views.

    Once round: the cycle's edges, each from the rank of its end to that of its start, sum up to nothing (the
    star is closed), and one facet crosses the ray that `level` is zero on.
    """
    views /= np.maximum(np.sqrt((views * views).sum(axis=1, keepdims=True)), 1e-300)
    levels = np.cross(views, np.eye(3)[np.abs(views).argmin(axis=1)])
    weights = np.empty((3, len(facets)))
    hidden: list[tuple[Places, NDArray[np.float64]]] = []
    for start in range(0, len(facets), _CHUNK):
        part = facets[start : start + _CHUNK]
        corners, normal, vertex = axes(surface, part), normals[:, part], surface.vertices[:, part]
        edges = np.roll(corners, -1, axis=0) - corners
        rank = ranks[vertex]
        for k in range(3):
            level = np.ascontiguousarray(levels[vertex[k]].T)
            crossing = (dot(edges[k], level) < 0) & (dot(edges[k - 1], level) <= 0)
            weight = rank[k - 1] - rank[(k + 1) % 3]
            weight[crossing] += _TURN
            weights[k, start : start + _CHUNK] = weight
            back = dot(normal, np.ascontiguousarray(views[vertex[k]].T)) <= _FACING
            if back.any():
                hidden.append((vertex[k, back], normal[:, back].T))
    totals = np.bincount(surface.vertices[:, facets].reshape(-1), weights.reshape(-1), surface.points)
    unproven: Mask = totals != _TURN
    for vertex, normal in hidden:
        unproven[vertex] = True
        np.add.at(views, vertex, normal)
    return unproven
