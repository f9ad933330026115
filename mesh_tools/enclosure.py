"""Which shells lie inside which matter? Winding numbers of the other shells at a point of each shell.

From the topmost corner of a shell a ray goes up. Each facet of another shell above it counts +1 when it faces
up and −1 when it faces down; the sum is how many times those shells wind round the corner: 0 outside, 1 in
matter. Whether a facet stands above a point is decided by its three edges, with a rule that both facets of an
edge answer alike, so that a ray through an edge or a corner counts neither twice nor not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.model import Body

Lengths = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

_PAIRS = 1 << 18


@dataclass(frozen=True, eq=False)
class _Rays:
    """Where rays begin, sorted by x; `shell` is the one each belongs to."""

    points: Lengths
    shell: Labels


def windings(body: Body, shell: Labels, asked: Labels) -> Labels:
    """How many times all other shells wind round the topmost corner of each shell in `asked` (s,): (s,).

    `shell` (n,) numbers each facet's shell, −1 for one that takes no part. Finite coordinates, closed shells.
    A corner that touches another shell may count as outside of it.
    """
    tops = _topmost(body, shell, asked)
    order = np.argsort(tops[:, 0], kind="stable")
    rays = _Rays(tops[order], asked[order])
    total = np.zeros(len(asked), np.int64)
    for start, corners in body.chunks():
        part = corners.astype(np.float64)
        for facet, ray in _near(part, shell[start : start + len(part)], rays):
            signs = _crossings(part[facet], rays.points[ray])
            total[order] += np.bincount(ray, signs, len(asked)).astype(np.int64)
    return total


def _topmost(body: Body, shell: Labels, asked: Labels) -> Lengths:
    """The topmost corner (s, 3) of each shell in `asked`."""
    place = np.full(int(shell.max()) + 2, -1)  # the last is for −1
    place[asked] = np.arange(len(asked))
    tops = np.full((len(asked), 3), -np.inf)
    for start, corners in body.chunks():
        own = place[shell[start : start + len(corners)]]
        points = corners[own >= 0].astype(np.float64)
        own = own[own >= 0]
        best = points[np.arange(len(points)), points[:, :, 2].argmax(axis=1)]
        order = np.lexsort((best[:, 2], own))
        best, own = best[order], own[order]
        last = np.flatnonzero(np.append(own[1:] != own[:-1], np.ones(min(len(own), 1), bool)))
        last = last[best[last, 2] > tops[own[last], 2]]
        tops[own[last]] = best[last]
    return tops


def _near(part: Lengths, own: Labels, rays: _Rays) -> Iterator[tuple[Labels, Labels]]:
    """Pairs (facet, ray) whose bounds allow the facet above the ray's beginning, in portions."""
    low, high = part.min(axis=1), part.max(axis=1)
    first = np.searchsorted(rays.points[:, 0], low[:, 0], "left")
    counts = np.searchsorted(rays.points[:, 0], high[:, 0], "right") - first
    counts[own < 0] = 0
    ends = np.cumsum(counts)
    for start in range(0, int(ends[-1]) if len(ends) else 0, _PAIRS):
        pair = np.arange(start, min(start + _PAIRS, int(ends[-1])))
        facet = np.searchsorted(ends, pair, "right")
        ray = first[facet] + pair - (ends[facet] - counts[facet])
        y, z = rays.points[ray, 1], rays.points[ray, 2]
        fits = (low[facet, 1] <= y) & (y <= high[facet, 1]) & (high[facet, 2] > z)
        fits &= own[facet] != rays.shell[ray]
        yield facet[fits], ray[fits]


def _crossings(facets: Lengths, points: Lengths) -> Labels:
    """+1 or −1 for each facet (k, 3, 3) that stands above its point (k, 3), by the way it faces; else 0."""
    x = facets[:, :, 0] - points[:, None, 0]
    y = facets[:, :, 1] - points[:, None, 1]
    after_x, after_y = x[:, [1, 2, 0]], y[:, [1, 2, 0]]
    sides = x * after_y - y * after_x
    ups = (y <= 0) & (after_y > 0) & (sides > 0)
    downs = (after_y <= 0) & (y > 0) & (sides < 0)
    signs = ups.sum(axis=1) - downs.sum(axis=1)
    hit = np.flatnonzero(signs)
    heights = np.zeros(len(facets))
    weights = sides[hit][:, [1, 2, 0]]
    areas = weights.sum(axis=1)
    heights[hit] = (weights * facets[hit, :, 2]).sum(axis=1) / np.where(areas == 0, 1, areas)
    above: Mask = heights > points[:, 2]
    return np.where(above, signs, 0).astype(np.int64)
