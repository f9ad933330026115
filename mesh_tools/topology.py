"""Is the surface closed, manifold and consistently wound? One sort of directed edge keys tells.

Every facet gives three directed edges between vertex keys. A sound surface has each edge exactly once
in each direction. The packed key (edge hash, direction, index of the half-edge) is sorted once; partners then
stand side by side. Only where they don't are the edges counted in detail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh_tools.components import Labels, components
from mesh_tools.vertex_keys import Keys, mix

HalfEdges = NDArray[np.int64]
Mask = NDArray[np.bool_]

_BLOCK = 1 << 16
_DOUBTFUL_MIN, _DOUBTFUL_SHIFT = 1000, 8


FACETS_NAMED = 1 << 16


def _none() -> Labels:
    return np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Fault:
    """How often a defect occurs, and facets (n,) that show it, up to `FACETS_NAMED` of them."""

    count: int = 0
    facets: Labels = field(default_factory=_none)

    @classmethod
    def of(cls, count: int, facets: NDArray[np.integer[Any]]) -> Fault:
        """The fault that `facets` show, the first ones of them kept."""
        return cls(count, facets[:FACETS_NAMED].astype(np.int32))


@dataclass(frozen=True, eq=False)
class Topology:
    """What the edges say. `shell_of` labels each facet with its shell's smallest facet, −1 when collapsed.

    `collapsed` facets have two equal corners and take no part. `closed` and `wound` hold exactly,
    by equal coordinates; nothing is welded.
    """

    vertices: int
    shells: int
    shell_of: Labels
    collapsed: Fault
    open_edges: Fault
    crowded_edges: Fault
    winding: Fault
    duplicates: Fault

    @property
    def sound(self) -> bool:
        """Closed, edge-manifold, consistently wound, nothing twice."""
        faults = (self.open_edges, self.crowded_edges, self.winding, self.duplicates)
        return not any(fault.count for fault in faults)


def examine(keys: Keys) -> Topology:
    """Judge the facets whose corner keys (3n,) are given, n < 2³¹/3. Reorders `keys`: they are used up."""
    corners = keys.reshape(-1, 3)
    collapsed = _collapsed(corners)
    kept = np.flatnonzero(~collapsed) if collapsed.any() else None
    live = corners if kept is None else corners[kept]
    pairs = _exact_pairs(live)
    if pairs is None:
        first, second, faults = _count_edges(live)
    else:
        first, second = pairs
        faults = (Fault(), Fault(), Fault())
    labels = components(len(live), first, second)
    duplicates = _duplicates(live) if pairs is None else _pillows(labels)
    return Topology(
        shells=int(np.count_nonzero(labels == np.arange(len(labels), dtype=np.int32))),
        shell_of=_spread(labels, kept, len(corners)),
        collapsed=_first_fault(collapsed),
        open_edges=_original(faults[0], kept),
        crowded_edges=_original(faults[1], kept),
        winding=_original(faults[2], kept),
        duplicates=_original(duplicates, kept),
        vertices=_distinct(keys),
    )


def _collapsed(corners: Keys) -> Mask:
    first, second, third = corners.T
    same: Mask = (first == second) | (second == third) | (third == first)
    return same


def _edge_keys(corners: Keys) -> Keys:
    """Undirected edge keys (n, 3): equal for both directions of an edge."""
    keys = np.empty_like(corners)
    for place in range(3):
        np.add(corners[:, place], corners[:, (place + 1) % 3], out=keys[:, place])
    return keys


def _sorted_edges(corners: Keys) -> tuple[Keys, int]:
    """Packed (edge hash, direction, index) of every half-edge, sorted, and how many bits the index has."""
    count = corners.size
    bits = max(count - 1, 1).bit_length()
    packed = np.empty(count, np.uint64)
    for start in range(0, len(corners), _BLOCK):
        part = corners[start : start + _BLOCK]
        keys, backward = _edge_keys(part), np.empty(part.shape, np.bool_)
        for place in range(3):
            np.greater(part[:, place], part[:, (place + 1) % 3], out=backward[:, place])
        word = mix(keys.reshape(-1))
        word &= ~np.uint64((2 << bits) - 1)
        word |= backward.reshape(-1).astype(np.uint64) << np.uint64(bits)
        word |= np.arange(3 * start, 3 * start + len(word), dtype=np.uint64)
        packed[3 * start : 3 * start + len(word)] = word
    packed.sort()
    return packed, bits


def _exact_pairs(corners: Keys) -> tuple[Labels, Labels] | None:
    """Facets on both sides of every edge when all edges have exactly two opposite half-edges, else None.

    Partners stand side by side in the sorted order, one of each direction. Where a shortened edge hash occurs
    more than twice, by collision or in earnest, the half-edges are set aside and sorted by the full keys.
    Nothing else is looked up: a hole of four edges would be taken for closed if they collided in pairs, which
    the keys, drawn anew for each process, leave to chance (below 2⁻⁶⁴ for a million facets).
    """
    if corners.size % 2:
        return None
    packed, bits = _sorted_edges(corners)
    low = np.uint64((1 << bits) - 1)
    neighbours = np.empty(len(packed), np.int32)
    doubtful: list[HalfEdges] = []
    for start in range(0, len(packed), _BLOCK):
        block = packed[start : start + _BLOCK]
        half = (block & low).view(np.int64)
        facet = (half // 3).astype(np.int32)
        neighbours[half[0::2]], neighbours[half[1::2]] = facet[1::2], facet[0::2]
        wrong = (block[0::2] ^ block[1::2]) >> np.uint64(bits) != 1
        _mark_collisions(packed, bits, start, wrong)
        if wrong.any():
            doubtful.append(start // 2 + np.flatnonzero(wrong))
            if sum(map(len, doubtful)) > max(_DOUBTFUL_MIN, len(packed) >> _DOUBTFUL_SHIFT):
                return None
    if doubtful and not _settle(corners.reshape(-1), packed, low, np.concatenate(doubtful), neighbours):
        return None
    del packed
    facets = np.arange(len(corners), dtype=np.int32)
    once = neighbours.reshape(-1, 3) > facets[:, None]
    first, second, third = once.view(np.int8).T
    return np.repeat(facets, first + second + third), neighbours[once.reshape(-1)]


def _opposite(flat: Keys, half: HalfEdges) -> Mask:
    """For each two neighbours of `half`: are they one edge, run through in opposite directions?"""
    start, end = flat[half], flat[_successor(half)]
    fits: Mask = (start[0::2] == end[1::2]) & (end[0::2] == start[1::2])
    return fits


def _successor(half: HalfEdges) -> HalfEdges:
    """The next half-edge of the same facet."""
    return half + np.where(half % 3 == 2, -2, 1)


def _mark_collisions(packed: Keys, bits: int, start: int, wrong: Mask) -> None:
    """Mark the pairs of the block from `start` on whose hash is also that of the pair before or after."""
    stop = start + 2 * len(wrong)
    hashes = np.uint64(bits + 1)
    first, second = packed[start:stop:2], packed[start + 1 : stop : 2]
    touch = (second[:-1] ^ first[1:]) >> hashes == 0
    wrong[:-1] |= touch
    wrong[1:] |= touch
    if start and (packed[start - 1] ^ packed[start]) >> hashes == 0:
        wrong[0] = True
    if stop < len(packed) and (packed[stop - 1] ^ packed[stop]) >> hashes == 0:
        wrong[-1] = True


def _settle(flat: Keys, packed: Keys, low: np.uint64, pairs: HalfEdges, neighbours: Labels) -> bool:
    """Pair the half-edges of `pairs` anew by their full keys; False when they do not pair up exactly."""
    half = np.stack([packed[2 * pairs] & low, packed[2 * pairs + 1] & low], axis=1).reshape(-1).view(np.int64)
    sums = flat[half] + flat[_successor(half)]
    order = np.argsort(sums, kind="stable")
    half, sums = half[order], sums[order]
    if (sums[1:-1:2] == sums[2::2]).any() or not _opposite(flat, half).all():
        return False
    neighbours[half[0::2]], neighbours[half[1::2]] = half[1::2] // 3, half[0::2] // 3
    return True


def _count_edges(corners: Keys) -> tuple[Labels, Labels, tuple[Fault, Fault, Fault]]:
    """Links between facets that share an edge, and faults (open, crowded, winding), by counting."""
    edges = _edge_keys(corners).reshape(-1)
    following = corners[:, [1, 2, 0]].reshape(-1)
    forward = corners.reshape(-1) < following
    order = np.argsort(edges, kind="stable")
    edges = edges[order]
    facets = (order // 3).astype(np.int32)
    fresh = np.empty(len(edges), bool)
    fresh[:1] = True
    np.not_equal(edges[1:], edges[:-1], out=fresh[1:])
    starts = np.flatnonzero(fresh)
    counts = np.diff(starts, append=len(edges))
    ahead = np.add.reduceat(forward[order].astype(np.int64), starts) if len(starts) else counts
    open_edges = starts[counts == 1]
    crowded = starts[counts > 2]
    winding = starts[(counts == 2) & (ahead != 1)]
    together = np.flatnonzero(~fresh)
    faults = tuple(Fault.of(len(found), facets[found]) for found in (open_edges, crowded, winding))
    return facets[together - 1], facets[together], (faults[0], faults[1], faults[2])


def _duplicates(corners: Keys) -> Fault:
    """Facets that name the same three points as an earlier one."""
    sums = mix(corners.copy().reshape(-1)).reshape(-1, 3).sum(axis=1, dtype=np.uint64)
    order = np.argsort(sums, kind="stable")
    again = order[1:][sums[order[1:]] == sums[order[:-1]]]
    return Fault.of(len(again), np.sort(again))


def _pillows(labels: Labels) -> Fault:
    """In a surface whose edges are all paired, a facet twice can only be a closed shell of two facets."""
    if not len(labels):
        return Fault()
    sizes = np.bincount(labels)
    flat = np.flatnonzero((sizes > 0) & (sizes < 4))
    return Fault.of(len(flat), flat)


def _distinct(keys: Keys) -> int:
    if not len(keys):
        return 0
    keys.sort()
    return 1 + int(np.count_nonzero(keys[1:] != keys[:-1]))


def _first_fault(mask: Mask) -> Fault:
    return Fault.of(int(np.count_nonzero(mask)), np.flatnonzero(mask))


def _original(fault: Fault, kept: HalfEdges | None) -> Fault:
    return fault if kept is None else Fault.of(fault.count, kept[fault.facets])


def _spread(labels: Labels, kept: HalfEdges | None, facets: int) -> Labels:
    if kept is None:
        return labels
    spread = np.full(facets, -1, np.int32)
    spread[kept] = kept[labels]
    return spread
