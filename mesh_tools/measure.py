"""Metric facts of a body: finite, bounds, area, signed volume, facets without area."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.model import Body, Corners
from mesh_tools.topology import Fault

Lengths = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measures:
    """In the file's unit. `volume` is signed as wound, about the first corner; `low`, `high` are (3,)."""

    not_finite: Fault
    flat: Fault
    area: float
    volume: float
    low: Lengths
    high: Lengths


def measure(body: Body) -> Measures:
    """Measure one instance of `body` as it stands in the file, in a single pass over cached chunks."""
    areas: list[float] = []
    volumes: list[float] = []
    lows, highs = [np.full(3, np.inf)], [np.full(3, -np.inf)]
    not_finite, flat = Fault(), Fault()
    for start, corners in body.chunks():
        broken = ~np.isfinite(corners).all(axis=(1, 2))
        if broken.any():
            not_finite = _add(not_finite, broken, start)
            corners = corners[~broken]  # noqa: PLW2901
            if not len(corners):
                continue
        area, volume = _double_areas_and_volumes(corners, body_origin(body))
        flat = _add(flat, area == 0, start)
        areas.append(float(area.sum()))
        volumes.append(float(volume.sum()))
        lows.append(corners.min(axis=(0, 1)))
        highs.append(corners.max(axis=(0, 1)))
    return Measures(not_finite, flat, sum(areas) / 2, sum(volumes) / 6,
                    np.min(lows, axis=0).astype(np.float64), np.max(highs, axis=0).astype(np.float64))  # fmt: skip


def facet_volumes(body: Body) -> Iterator[tuple[int, Lengths]]:
    """Yield (first facet, signed volumes (n,) of the tetrahedra from the first corner) for each chunk."""
    for start, corners in body.chunks():
        yield start, _double_areas_and_volumes(corners, body_origin(body))[1] / 6


def body_origin(body: Body) -> Lengths:
    """The point volumes are taken about: a corner of the body itself, or the origin when not finite."""
    origin = body.corners(0, 1)[0, 0].astype(np.float64)
    return origin if bool(np.isfinite(origin).all()) else np.zeros(3)


def _double_areas_and_volumes(corners: Corners, origin: Lengths) -> tuple[Lengths, Lengths]:
    """Twice the area (n,) and six times the signed volume (n,) of each facet."""
    axes = np.ascontiguousarray(corners.reshape(-1, 9).T, dtype=np.float64)
    for axis in range(3):
        axes[axis::3] -= origin[axis]
    ax, ay, az, bx, by, bz, cx, cy, cz = axes
    bx, by, bz, cx, cy, cz = bx - ax, by - ay, bz - az, cx - ax, cy - ay, cz - az
    nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    return np.sqrt(nx * nx + ny * ny + nz * nz), ax * nx + ay * ny + az * nz


def _add(fault: Fault, mask: NDArray[np.bool_], start: int) -> Fault:
    count = int(np.count_nonzero(mask))
    if not count:
        return fault
    facet = fault.facet if fault.count else start + int(mask.argmax())
    return Fault(fault.count + count, facet)
