"""Which shells lie in the material of others, by points on them: wholly, or in part.

Surfaces may pass through each other along edges alone, so that no facet cuts another: half a ball on a face.
Hence points all over a shell are looked at. How many solids a point lies in is the winding number of the
surface about it, by a ray straight up.

Every facet above the point counts +1 or −1 as it faces up or down. Whether the ray meets a facet is decided
from the signs of its edges as seen from above, and an edge gives both of its facets the same sign, so that
rounding can neither lose a crossing nor count one twice. "Up" is the last axis of the surface's frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mesh_tools.components import Labels
from mesh_tools.intersections.box_tree import Mask, Places, Sides
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.frame import turned
from mesh_tools.intersections.surface import Surface, axes
from mesh_tools.intersections.vectors import Numbers, Vectors, cross, dot

Windings = NDArray[np.int64]
Points = NDArray[np.float64]

SAMPLES_MAX: Final = 4096
"""Points looked at for each shell: the middles of its facets, spread evenly where there are more."""
_SAMPLES_OF_ALL: Final = 1 << 16
_SAMPLES_MIN: Final = 6


@dataclass(frozen=True, eq=False)
class Samples:
    """Points (m, 3) on facets, and the shell (m,) each lies on."""

    points: Points
    shell: Labels

    def chosen(self, wanted: Mask) -> Samples:
        """Those that are `wanted` (m,)."""
        return Samples(self.points[wanted], self.shell[wanted])


def embedded(
    surface: Surface, samples: Samples, tolerance: float, budget: Budget, own: Labels | None = None
) -> Labels:
    """The shells of which a sample lies in the material of `surface`, deeper than `tolerance`.

    Shells that only touch have none, also where rounding puts some a hair inside. With `own`, the shell of
    each place of `surface`, a shell is not held against itself.
    """
    inside = samples.chosen(_windings(surface, samples, budget, own) > 0)
    deep = ~_near(surface, inside, tolerance, budget, own)
    return np.unique(inside.shell[deep])


def _windings(surface: Surface, samples: Samples, budget: Budget, own: Labels | None) -> Windings:
    """How often the surface goes round each sample: 1 in a positive solid, and a cavity takes it back."""
    count = np.zeros(len(samples.points), np.int64)
    along = samples.points if surface.frame is None else samples.points @ surface.frame
    for point, place in _others(surface, samples, own, *_rays(surface, along), budget):
        corners = turned(axes(surface, place), surface.frame) - along[point].T
        turn = _turns(corners)
        height = dot(cross(corners[1] - corners[0], corners[2] - corners[0]), corners[0])
        above = turn * height > 0
        count += np.bincount(point[above], turn[above], len(count)).astype(np.int64)
    return count


def _near(surface: Surface, samples: Samples, tolerance: float, budget: Budget, own: Labels | None) -> Mask:
    """Which samples lie within `tolerance` of the surface."""
    near = np.zeros(len(samples.points), np.bool_)
    along = samples.points if surface.frame is None else samples.points @ surface.frame
    middle = (along - surface.centre).T
    low, high = (middle - tolerance).astype(np.float32), (middle + tolerance).astype(np.float32)
    for point, place in _others(surface, samples, own, low, high, budget):
        corners = axes(surface, place) - samples.points[point].T
        near[point[_distances(corners) <= tolerance]] = True
    return near


def _others(
    surface: Surface, samples: Samples, own: Labels | None, low: Sides, high: Sides, budget: Budget
) -> Iterator[tuple[Places, Places]]:
    """Yield (sample, place) where a facet of another shell meets the sample's box."""
    for point, place in surface.tree.hits(low, high):
        budget.spend(len(point))
        if own is None:
            yield point, place
        else:
            other = own[place] != samples.shell[point]
            yield point[other], place[other]


def _rays(surface: Surface, points: Points) -> tuple[Sides, Sides]:
    base = np.ascontiguousarray((points - surface.centre).T).astype(np.float32)
    ends = base.copy()
    ends[2] = np.inf
    return base, ends


def _turns(corners: Vectors) -> Numbers:
    """How often each triangle (3 corners, 3 axes, m) goes round the vertical through the origin: −1, 0, 1."""
    turns = np.zeros(corners.shape[2])
    for k in range(3):
        here, there = corners[k], corners[(k + 1) % 3]
        side = here[0] * there[1] - here[1] * there[0]
        turns += (here[1] < 0) & (there[1] >= 0) & (side > 0)
        turns -= (here[1] >= 0) & (there[1] < 0) & (side < 0)
    return turns


def _distances(corners: Vectors) -> Numbers:
    """The distance (m,) of the origin from each triangle (3 corners, 3 axes, m) that has an area."""
    normal = cross(corners[1] - corners[0], corners[2] - corners[0])
    squared = np.full(corners.shape[2], np.inf)
    within = np.ones(corners.shape[2], np.bool_)
    for k in range(3):
        start, edge = corners[k], corners[(k + 1) % 3] - corners[k]
        length = dot(edge, edge)
        share = np.divide(-dot(start, edge), length, out=np.zeros_like(length), where=length > 0)
        nearest = start + np.clip(share, 0, 1) * edge
        np.minimum(squared, dot(nearest, nearest), out=squared)
        within &= dot(cross(edge, -start), normal) >= 0
    height = dot(normal, corners[0]) ** 2 / dot(normal, normal)
    return np.sqrt(np.where(within, np.minimum(height, squared), squared))


def samples_of(surface: Surface, labels: Labels, count: int) -> Samples:
    """Samples of each of the shells that `labels` (n,) number from 0 to `count`, by place.

    Places follow a curve through space, so every so manieth of them lie spread over the shell.
    """
    most = min(SAMPLES_MAX, max(_SAMPLES_MIN, _SAMPLES_OF_ALL // count))
    order = np.argsort(labels, kind="stable")
    facets = np.bincount(labels, minlength=count)
    taken = np.minimum(facets, most)
    shell = np.repeat(np.arange(count, dtype=np.int32), taken)
    number = np.arange(len(shell)) - np.repeat(np.cumsum(taken) - taken, taken)
    chosen = (np.cumsum(facets) - facets)[shell] + number * facets[shell] // taken[shell]
    return Samples(axes(surface, order[chosen]).mean(axis=0).T, shell)
