"""A surface cut into pieces so small that their centres cover it: what nearest points are looked up with.

Facets are bisected across their longest edge until no edge is longer than a given length. The number of
pieces then grows with area and edge length alone, also for the long slivers of a cylinder's wall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mesh_tools.comparison.motion import Motion
from mesh_tools.comparison.solid import Floats, Solid

PIECES_WANTED = 24_000
_COARSER = 1.5
_ROUNDS_MAX = 40


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces (m, 3, 3) in mm, no edge longer than `edge`, and the facet (m,) of `solid` each was cut from."""

    solid: Solid
    corners: Floats
    facet: NDArray[np.int64]
    edge: float

    @classmethod
    def of(cls, solid: Solid, wanted: int = PIECES_WANTED) -> Self:
        """Cut `solid` into roughly `wanted` pieces, at least one for each facet."""
        edge = _edge(solid, wanted)
        corners, facet = solid.corners, np.arange(len(solid.corners))
        done: list[tuple[Floats, NDArray[np.int64]]] = []
        for _ in range(_ROUNDS_MAX):
            lengths = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
            long = lengths.max(axis=1) > edge
            done.append((corners[~long], facet[~long]))
            if not long.any():
                break
            corners, facet = _bisected(corners[long], lengths[long].argmax(axis=1)), np.repeat(facet[long], 2)
        return cls(
            solid, np.concatenate([part for part, _ in done]), np.concatenate([of for _, of in done]), edge
        )

    def moved(self, motion: Motion) -> Pieces:
        """The same pieces after `motion`."""
        corners = motion.of_points(self.corners)
        wound = np.ascontiguousarray(corners[:, ::-1]) if motion.mirrors else corners
        return Pieces(motion.of_solid(self.solid), wound, self.facet, self.edge * motion.scale)

    @cached_property
    def centres(self) -> Floats:
        """Centroid (m, 3) of each piece."""
        centres: Floats = self.corners.mean(axis=1)
        return centres

    @cached_property
    def radii(self) -> Floats:
        """No point of a piece is farther from its centre than this (m,), mm."""
        radii: Floats = np.linalg.norm(self.corners - self.centres[:, None], axis=2).max(axis=1)
        return radii

    @cached_property
    def cover(self) -> float:
        """The largest of `radii`."""
        return float(self.radii.max())

    @cached_property
    def normals(self) -> Floats:
        """Unit normals (m, 3); zero where the facet has no area."""
        areas = self.solid.areas
        unit = self.solid.normals / np.where(areas > 0, areas, 1.0)[:, None]
        return unit[self.facet]

    @cached_property
    def areas(self) -> Floats:
        """Area (m,) of each piece, mm²."""
        edges = self.corners[:, 1:] - self.corners[:, :1]
        areas: Floats = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2
        return areas

    @cached_property
    def tree(self) -> cKDTree:
        """The centres, for nearest neighbours."""
        return cKDTree(self.centres, balanced_tree=False, compact_nodes=False)


def _edge(solid: Solid, wanted: int) -> float:
    """The length of edge in mm at which bisection gives about `wanted` pieces, or one a facet at the most."""
    longest = np.linalg.norm(np.roll(solid.corners, -1, axis=1) - solid.corners, axis=2).max(axis=1)
    longest = np.maximum(longest, 1e-9)
    edge = float(max((solid.area / wanted) ** 0.5, 1e-9))
    while True:
        along, across = longest / edge, 2 * solid.areas / longest / edge
        count = np.where(along > 1, 3 * along * np.maximum(across, 1), 1)
        if count.sum() <= wanted + len(longest):
            return edge
        edge *= _COARSER


def _bisected(corners: Floats, longest: NDArray[np.int64]) -> Floats:
    """Both halves (2n, 3, 3), interleaved, of facets cut from the middle of edge `longest`."""
    rows = np.arange(len(corners))
    start, end, tip = (corners[rows, (longest + step) % 3] for step in range(3))
    middle = (start + end) / 2
    halves = np.stack([np.stack([start, middle, tip], 1), np.stack([middle, end, tip], 1)], axis=1)
    return halves.reshape(-1, 3, 3)
