"""The axes that boxes are laid along: the file's own, or turned where many long facets lie askew to them."""

from __future__ import annotations

from typing import Final

import numpy as np

from mesh_tools.intersections.vectors import Vectors
from mesh_tools.model import Body

_SAMPLED: Final = 4096
_WORTH: Final = 0.5


def frame_of(body: Body) -> Vectors | None:
    """Axes (3, 3), one a column, along which facets have much smaller boxes; None keeps the file's.

    They are the main directions of the edges, the longer the weightier: on a cylinder of slivers its axis.
    Only some facets are looked at, since a poor choice costs time and nothing else.
    """
    step = max(body.facet_count // _SAMPLED, 1)
    chosen = np.arange(0, body.facet_count, step)
    part = body.points[chosen] if body.facets is None else body.points[body.facets[chosen]]
    corners = part.astype(np.float64)
    edges = (np.roll(corners, -1, axis=1) - corners).reshape(-1, 3)
    lengths = np.sqrt((edges * edges).sum(axis=1))
    _, frame = np.linalg.eigh((edges * lengths[:, None]).T @ edges)
    frame[:, 0] *= np.sign(np.linalg.det(frame))
    return frame if _box_areas(corners @ frame) < _WORTH * _box_areas(corners) else None


def turned(corners: Vectors, frame: Vectors | None) -> Vectors:
    """Corners (3 corners, 3 axes, m) along the axes of `frame`; equal corners stay equal to the last bit."""
    if frame is None:
        return corners
    along = np.empty_like(corners)
    for axis in range(3):
        across = frame[:, axis]
        along[:, axis] = corners[:, 0] * across[0] + corners[:, 1] * across[1] + corners[:, 2] * across[2]
    return along


def _box_areas(corners: Vectors) -> float:
    x, y, z = np.ptp(corners, axis=1).T
    return float((x * y + y * z + z * x).sum())
