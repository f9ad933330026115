"""Where two surfaces differ, gathered into places for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mesh_tools.comparison.solid import Floats
from mesh_tools.comparison.words import CHANGES, PLACES_MAX, Change

_CELLS_MAX = 4000


@dataclass(frozen=True, slots=True)
class Place:
    """One place: its middle and extent in mm (the master's coordinates), the largest distance between the two
    surfaces there, and whether material was added, is missing, or a facet faces the other way.
    """

    centre_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    distance_mm: float
    change: Change

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "centre_mm": list(self.centre_mm),
            "size_mm": list(self.size_mm),
            "distance_mm": self.distance_mm,
            "change": self.change,
        }


@dataclass(frozen=True, eq=False)
class Deviations:
    """Points (n, 3) off the other surface by `distance` (n,); `change` (n,): 0 added, 1 missing, 2 turned."""

    points: Floats
    distance: Floats
    change: NDArray[np.int64]


def places(found: Deviations, gap: float) -> list[Place]:
    """Deviations less than `gap` mm apart are one place; the largest first, at most `PLACES_MAX`."""
    if not len(found.points):
        return []
    cell = gap / 2
    while True:
        cells, of = np.unique(np.floor(found.points / cell), axis=0, return_inverse=True)
        if len(cells) <= _CELLS_MAX:
            break
        cell *= 2
    pairs = cKDTree(cells).query_pairs(max(2.0, gap / cell), output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(cells), len(cells)))
    _, label = connected_components(links, directed=False)
    label = label[of.reshape(-1)]
    gathered = [_place(found, np.flatnonzero(label == one)) for one in range(int(label.max()) + 1)]
    return sorted(gathered, key=lambda place: -place.distance_mm)[:PLACES_MAX]


def _place(found: Deviations, rows: NDArray[np.int64]) -> Place:
    points = found.points[rows]
    low, high = points.min(axis=0), points.max(axis=0)
    weights = np.bincount(found.change[rows], found.distance[rows], 3)
    return Place(_three((low + high) / 2), _three(high - low), float(found.distance[rows].max()),
                 CHANGES[int(weights.argmax())])  # fmt: skip


def _three(values: Floats) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
