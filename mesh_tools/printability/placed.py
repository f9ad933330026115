"""Every facet of a model where it will be built, in mm about the middle of the part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.findings import Geometry, Point
from mesh_tools.model import Body

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


def place(
    bodies: Sequence[Body], scale: float, geometry: Geometry, facets_max: int = INSTANCE_FACETS_MAX
) -> Placed:
    """Place all instances; one of each body where all would be more than `facets_max` facets.

    Coordinates are finite; `geometry` is measured of the same bodies and `scale` (mm).
    """
    whole = [(number, body) for number, body in enumerate(bodies) if body.facet_count]
    total = sum(body.facet_count * len(body.placements) for _, body in whole)
    most = None if total <= facets_max else 1
    matrices = [np.stack(body.placements[:most]) for _, body in whole]
    instances = [len(several) for several in matrices]
    sizes = np.repeat([body.facet_count for _, body in whole], instances)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    low, high = np.array(geometry.bounds_mm)
    centre = (low + high) / 2
    corners = np.empty((int(starts[-1]), 3, 3), np.float32)
    normals = np.empty((int(starts[-1]), 3), np.float32)
    areas = np.empty(int(starts[-1]))
    first = 0
    for (_, body), several in zip(whole, matrices, strict=True):
        for here, placed in _instances(body, several, scale, centre):
            corners[first + here] = placed
            normals[first + here], areas[first + here] = _faces(placed)
        first += body.facet_count * len(several)
    numbers = np.repeat([number for number, _ in whole], instances).astype(np.int64)
    return Placed(corners, normals, areas, centre, float(np.max(high - low)), numbers, starts)


def _instances(
    body: Body, placements: Doubles, scale: float, centre: Doubles
) -> Iterator[tuple[Numbers, Doubles]]:
    """Yield numbers (n,) of facets, the instances' one after another, and their corners about the centre.

    Facets and placements (p, 4, 3) are taken in blocks: a body may be large, or stand there many times. A
    mirroring placement turns the winding back outward.
    """
    for first, part in body.chunks(_CHUNK):
        flat = part.reshape(-1, 3).astype(np.float64)
        several = max(1, _CHUNK // len(part))
        for start in range(0, len(placements), several):
            block = placements[start : start + several]
            moved = (flat @ (block[:, :3] * scale) + (block[:, 3:] * scale - centre)).reshape(-1, *part.shape)
            mirrored = np.linalg.det(block[:, :3]) < 0
            moved[mirrored] = moved[mirrored][:, :, ::-1]
            instance = np.arange(start, start + len(block))[:, None] * body.facet_count
            yield (instance + np.arange(first, first + len(part))).ravel(), moved.reshape(-1, 3, 3)


def _faces(corners: Doubles) -> tuple[Doubles, Doubles]:
    """Outward unit normals (n, 3), zero without area, and areas (n,)."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.sqrt(np.einsum("ij,ij->i", normals, normals))
    normals /= np.where(doubled > 0, doubled, 1.0)[:, None]
    return normals, doubled / 2
