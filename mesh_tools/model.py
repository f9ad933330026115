"""What a loader hands to the engine: bodies of triangles, with a unit and placements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh_tools.findings import Finding

Corners = NDArray[np.floating[Any]]
Indices = NDArray[np.int32]
Placement = NDArray[np.float64]

IDENTITY: Placement = np.vstack([np.eye(3), np.zeros((1, 3))])
CHUNK_FACETS = 8192


@dataclass(frozen=True, eq=False)
class Body:
    """One mesh. Without `facets`, `points` is a facet soup (n, 3, 3): corner k of facet i is points[i, k].
    With `facets` (n, 3) int32, `points` is (v, 3) and every index is in range. Coordinates are float32
    or float64 in the file's unit.

    `placements` are 4×3 matrices for row vectors, p' = p · M[:3] + M[3] as in 3MF, one for each instance.
    """

    points: Corners
    facets: Indices | None = None
    placements: Sequence[Placement] = (IDENTITY,)
    name: str = ""

    @property
    def facet_count(self) -> int:
        """Number of triangles of one instance."""
        return len(self.points if self.facets is None else self.facets)

    def corners(self, start: int, stop: int) -> Corners:
        """A fresh, contiguous copy (n, 3, 3) of the corners of facets `start` to `stop`, −0 made +0."""
        part = self.points[start:stop] if self.facets is None else self.points[self.facets[start:stop]]
        copy: Corners = part + part.dtype.type(0)
        return np.ascontiguousarray(copy)

    def chunks(self, size: int = CHUNK_FACETS) -> Iterator[tuple[int, Corners]]:
        """Yield (first facet, corners) so that a chunk's work stays in the processor's cache."""
        for start in range(0, self.facet_count, size):
            yield start, self.corners(start, start + size)


@dataclass(frozen=True, eq=False)
class Model:
    """A file as read: its format, the length of its unit in mm (None when the format has none), bodies."""

    format: str
    bodies: Sequence[Body]
    unit_mm: float | None = None
    findings: Sequence[Finding] = ()
