"""How many solids a point lies in: the winding number of a surface about it, by a ray straight up.

Every facet above the point counts +1 or −1 as it faces up or down. Whether the ray meets a facet is decided
from the signs of its edges as seen from above, and an edge gives both of its facets the same sign, so that
rounding can neither lose a crossing nor count one twice. "Up" is the last axis of the surface's frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesh_tools.components import Labels
from mesh_tools.intersections.box_tree import Mask, Sides
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.frame import turned
from mesh_tools.intersections.surface import Surface, axes
from mesh_tools.intersections.vectors import Numbers, Vectors, cross, dot

Windings = NDArray[np.int64]
Points = NDArray[np.float64]

SAMPLES = 6
"""Points looked at for each shell: the middles of its outermost facets along the three axes."""


def embedded(
    surface: Surface,
    samples: Points,
    tolerance: float,
    budget: Budget,
    own: tuple[Labels, Labels] | None = None,
) -> Mask:
    """Which shells, given by `samples` (shells, 6, 3), lie in the material of `surface`.

    All samples must, but those within `tolerance` of it, which say nothing. With `own`, the shell of each
    place and that of each of the samples' shells, a shell is not held against itself.
    """
    around, close = _windings(surface, samples.reshape(-1, 3), tolerance, budget, own)
    outside = ((around <= 0) & ~close).reshape(-1, SAMPLES)
    inside = ((around > 0) & ~close).reshape(-1, SAMPLES)
    return np.logical_and(inside.any(axis=1), ~outside.any(axis=1))


def _windings(
    surface: Surface, points: Points, tolerance: float, budget: Budget, own: tuple[Labels, Labels] | None
) -> tuple[Windings, Mask]:
    """How often the surface goes round each of `points` (m, 3), and which lie within `tolerance` of it.

    A positive solid has winding 1 inside, a cavity takes it back.
    """
    count = np.zeros(len(points), np.int64)
    close = np.zeros(len(points), np.bool_)
    along = points if surface.frame is None else points @ surface.frame
    for point, place in surface.tree.hits(*_rays(surface, along)):
        budget.spend(len(point))
        if own is not None:
            other = own[0][place] != own[1][point // SAMPLES]
            point, place = point[other], place[other]
        corners = turned(axes(surface, place), surface.frame) - along[point].T
        turn = _turns(corners)
        normal = cross(corners[1] - corners[0], corners[2] - corners[0])
        height = dot(normal, corners[0])
        near = np.abs(height) <= tolerance * np.sqrt(dot(normal, normal))
        close[point[near & (turn != 0)]] = True
        above = turn * height > 0
        count += np.bincount(point[above], turn[above], len(points)).astype(np.int64)
    return count, close


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


def samples(surface: Surface, labels: Labels, count: int) -> NDArray[np.float64]:
    """Points (count, 6, 3) on each of the shells that `labels` (n,) number from 0, by place."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(count))
    middles = np.empty((3, len(labels)))
    for start in range(0, len(labels), 1 << 16):
        part = axes(surface, slice(start, start + (1 << 16)))
        middles[:, start : start + (1 << 16)] = part.mean(axis=0)
    chosen = np.empty((count, SAMPLES), np.int64)
    for axis in range(3):
        row = middles[axis, order]
        for end, extreme in enumerate((np.minimum, np.maximum)):
            best = extreme.reduceat(row, starts)
            hit = np.flatnonzero(row == best[labels[order]])
            which, first = np.unique(labels[order[hit]], return_index=True)
            chosen[which, 2 * axis + end] = order[hit[first]]
    return np.moveaxis(middles[:, chosen], 0, -1)
