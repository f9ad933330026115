"""The convex hull of a part: all that its build volume depends on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from mesh_tools.printability.placed import Doubles, Placed

_COARSE = 600
_CHUNK = 1 << 14


def hull_points(placed: Placed) -> Doubles:
    """The corners (n, 3) of the part's convex hull; those of its box when the part is too flat for one."""
    points = _outer(placed)
    try:
        corners: Doubles = points[ConvexHull(points).vertices]
    except QhullError:
        low, high = points.min(axis=0), points.max(axis=0)
        corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), axis=-1).reshape(-1, 3)
    return corners


def coarse_hull(points: Doubles, corners_max: int = 2000) -> tuple[Doubles, float]:
    """About `corners_max` of the hull's corners at most, and how far (mm) others stick out of their hull."""
    if len(points) <= corners_max:
        return points, 0.0
    kept = points[np.unique(_extremes(points, directions(_COARSE)))]
    planes = ConvexHull(kept).equations
    out = [
        (part @ planes[:, :3].T + planes[:, 3]).max()
        for part in np.array_split(points, len(points) // 4096 + 1)
    ]
    return kept, max(0.0, float(max(out)))


def hull_outline(points: Doubles) -> Doubles:
    """The corners of the convex hull of (n, 2) in order; those of the box when it is too narrow for one."""
    try:
        outline: Doubles = points[ConvexHull(points).vertices]
    except QhullError:
        (left, low), (right, high) = points.min(axis=0), points.max(axis=0)
        outline = np.array([[left, low], [right, low], [right, high], [left, high]])
    return outline


def directions(count: int) -> Doubles:
    """Unit vectors (count, 3) spread evenly over the sphere (Fibonacci lattice)."""
    steps = np.arange(count) + 0.5
    height = 1 - 2 * steps / count
    turn = steps * np.pi * (1 + np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)


def _outer(placed: Placed) -> Doubles:
    """All points that can be corners of the hull, each once: those outside the hull of a few extreme ones."""
    points = placed.corners.reshape(-1, 3)
    extreme = points[_extremes(points, directions(26))].astype(np.float64)
    try:
        planes = ConvexHull(np.unique(extreme, axis=0)).equations
    except QhullError:
        return np.unique(points, axis=0).astype(np.float64)
    slack = 1e-9 * placed.extent
    kept = [extreme]
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK].astype(np.float64)
        kept.append(part[(part @ planes[:, :3].T + planes[:, 3] > slack).any(axis=1)])
    return np.unique(np.concatenate(kept), axis=0)


def _extremes(points: NDArray[np.floating[Any]], towards: Doubles) -> NDArray[np.int64]:
    """Number of the point that lies furthest in each direction."""
    columns = np.arange(len(towards))
    best = np.full(len(towards), -np.inf)
    where = np.zeros(len(towards), np.int64)
    turned = towards.T.astype(points.dtype)
    for start in range(0, len(points), _CHUNK):
        along = points[start : start + _CHUNK] @ turned
        peak = along.argmax(axis=0)
        height = along[peak, columns]
        where = np.where(height > best, start + peak, where)
        best = np.maximum(best, height)
    return where
