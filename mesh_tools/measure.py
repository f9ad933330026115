"""Metric facts of a body: finite, bounds, area, signed volume, facets without area."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.model import Body, Corners
from mesh_tools.topology import Fault

Lengths = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Measures:
    """In the file's unit. `volume` is signed as wound, about a corner; `low` and `high` are (3,)."""

    not_finite: Fault
    flat: Fault
    area: float
    volume: float
    low: Lengths
    high: Lengths


def measure(body: Body) -> Measures:
    """Measure one instance of `body` as it stands in the file, in a single pass over cached chunks."""
    origin = origin_of(body)
    area = volume = 0.0
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    not_finite, flat = Fault(), Fault()
    for start, corners in body.chunks():
        axes = _axes(corners)
        reach = np.abs(axes).max()
        if not np.isfinite(reach):
            broken = np.asarray(~np.isfinite(axes).all(axis=0), bool)
            not_finite = _add(not_finite, broken, start)
            axes = axes[:, ~broken]
            if not axes.size:
                continue
        least, most = axes.min(axis=1).reshape(3, 3).min(axis=0), axes.max(axis=1).reshape(3, 3).max(axis=0)
        low, high = np.minimum(low, least), np.maximum(high, most)
        areas, volumes = _areas_and_volumes(axes, origin)
        flat = _add(flat, areas == 0, start)
        area += float(areas.sum())
        volume += float(volumes.sum())
    return Measures(not_finite, flat, area / 2, volume / 6, low, high)


def facet_volumes(body: Body) -> Iterator[tuple[int, Lengths]]:
    """Yield (first facet, signed volumes (n,) of the tetrahedra from one corner) for each chunk."""
    origin = origin_of(body)
    for start, corners in body.chunks():
        yield start, _areas_and_volumes(_axes(corners), origin)[1] / 6


def origin_of(body: Body) -> Lengths:
    """The point volumes are taken about: a corner of the body itself, or the origin when not finite."""
    origin = body.corners(0, 1)[0, 0].astype(np.float64)
    return origin if bool(np.isfinite(origin).all()) else np.zeros(3)


def _axes(corners: Corners) -> Lengths:
    """Coordinates (9, n) of corners (n, 3, 3): x, y, z of the first corner, then of the second and third."""
    return np.ascontiguousarray(corners.reshape(-1, 9).T, dtype=np.float64)


def _areas_and_volumes(axes: Lengths, origin: Lengths) -> tuple[Lengths, Lengths]:
    """Twice the area (n,) and six times the signed volume (n,) of each facet."""
    ax, ay, az, bx, by, bz, cx, cy, cz = axes
    bx, by, bz = bx - ax, by - ay, bz - az
    cx, cy, cz = cx - ax, cy - ay, cz - az
    nx = by * cz - bz * cy
    ny = bz * cx - bx * cz
    nz = bx * cy - by * cx
    volumes = (ax - origin[0]) * nx + (ay - origin[1]) * ny + (az - origin[2]) * nz
    nx *= nx
    ny *= ny
    nz *= nz
    nx += ny
    nx += nz
    return np.sqrt(nx), volumes


def _add(fault: Fault, mask: Mask, start: int) -> Fault:
    count = int(np.count_nonzero(mask))
    if not count:
        return fault
    return Fault.of(fault.count + count, np.concatenate([fault.facets, start + np.flatnonzero(mask)]))
