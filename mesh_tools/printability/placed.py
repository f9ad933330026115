"""Every facet of a model where it will be built, in mm about the middle of the part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.findings import Geometry, Point
from mesh_tools.model import Body, Placement

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]

INSTANCE_FACETS_MAX = 4_000_000
_CHUNK = 1 << 16


@dataclass(frozen=True, eq=False)
class Placed:
    """`corners` (n, 3, 3) about `centre`, `normals` (n, 3) outward and of length 1 (0 without area), `areas`
    (n,) in mm². `extent` is the longest side of the part.

    Body number `bodies[i]`, one instance of it, holds the facets from `starts[i]` to `starts[i + 1]`.
    """

    corners: Singles
    normals: Singles
    areas: Doubles
    centre: Doubles
    extent: float
    bodies: Numbers
    starts: Numbers

    def origin_of(self, facets: Numbers) -> tuple[Numbers, Numbers]:
        """Number of the body, and of the facet within it, of each of `facets`."""
        piece = np.searchsorted(self.starts, facets, side="right") - 1
        return self.bodies[piece], facets - self.starts[piece]

    def point_mm(self, point: Singles) -> Point:
        """A point about the centre as one of the model's."""
        x, y, z = point.astype(np.float64) + self.centre
        return (float(x), float(y), float(z))


def place(bodies: Sequence[Body], scale: float, geometry: Geometry) -> Placed:
    """Place all instances; one of each body where all would be more than `INSTANCE_FACETS_MAX` facets.

    Coordinates are finite; `geometry` is measured of the same bodies and `scale` (mm).
    """
    total = sum(body.facet_count * len(body.placements) for body in bodies)
    pieces = [
        (number, body, placement)
        for number, body in enumerate(bodies)
        if body.facet_count
        for placement in (body.placements if total <= INSTANCE_FACETS_MAX else body.placements[:1])
    ]
    counts = [body.facet_count for _, body, _ in pieces]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    low, high = np.array(geometry.bounds_mm)
    centre = (low + high) / 2
    corners = np.empty((int(starts[-1]), 3, 3), np.float32)
    normals = np.empty((int(starts[-1]), 3), np.float32)
    areas = np.empty(int(starts[-1]))
    for (_, body, placement), start in zip(pieces, starts, strict=False):
        for first, part in body.chunks(_CHUNK):
            here = slice(int(start) + first, int(start) + first + len(part))
            placed = _moved(part.astype(np.float64), placement, scale, centre)
            corners[here] = placed
            normals[here], areas[here] = _faces(placed)
    numbers = np.array([number for number, _, _ in pieces], np.int64)
    return Placed(corners, normals, areas, centre, float(np.max(high - low)), numbers, starts)


def _moved(corners: Doubles, placement: Placement, scale: float, centre: Doubles) -> Doubles:
    """Corners in mm about the centre; a mirroring placement turns the winding back outward."""
    linear, shift = placement[:3] * scale, placement[3] * scale - centre
    placed: Doubles = (corners.reshape(-1, 3) @ linear + shift).reshape(-1, 3, 3)
    return placed[:, ::-1] if np.linalg.det(linear) < 0 else placed


def _faces(corners: Doubles) -> tuple[Doubles, Doubles]:
    """Outward unit normals (n, 3), zero without area, and areas (n,)."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.sqrt(np.einsum("ij,ij->i", normals, normals))
    normals /= np.where(doubled > 0, doubled, 1.0)[:, None]
    return normals, doubled / 2
