"""Is the surface closed, manifold and consistently wound? One sort of directed edge keys tells.

Every facet gives three directed edges between vertex keys. A sound surface has each edge exactly once
in each direction. The packed key (edge hash, index of the half-edge) is sorted once; partners then
stand side by side and are verified exactly. Only where that fails are the edges counted in detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.components import Labels, components
from mesh_tools.vertex_keys import Keys, mix

HalfEdges = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fault:
    """How often a defect occurs and one facet that shows it."""

    count: int = 0
    facet: int = -1


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
    """Judge the facets whose corner keys (3n,) are given, n < 2³¹/3."""
    corners = keys.reshape(-1, 3)
    collapsed = _collapsed(corners)
    kept = np.flatnonzero(~collapsed) if collapsed.any() else None
    live = corners if kept is None else corners[kept]
    order = _paired_order(live)
    pairs = _exact_pairs(live, order)
    if pairs is None:
        first, second, faults = _count_edges(live)
    else:
        first, second = pairs
        faults = (Fault(), Fault(), Fault())
    del order
    labels = components(len(live), first, second)
    duplicates = _duplicates(live) if pairs is None else _pillows(labels)
    return Topology(
        vertices=_distinct(keys),
        shells=int(np.count_nonzero(labels == np.arange(len(labels), dtype=np.int32))),
        shell_of=_spread(labels, kept, len(corners)),
        collapsed=_first_fault(collapsed),
        open_edges=_original(faults[0], kept),
        crowded_edges=_original(faults[1], kept),
        winding=_original(faults[2], kept),
        duplicates=_original(duplicates, kept),
    )


def _collapsed(corners: Keys) -> NDArray[np.bool_]:
    first, second, third = corners.T
    return (first == second) | (second == third) | (third == first)


def _edge_keys(corners: Keys) -> Keys:
    """Undirected edge keys (n, 3): equal for both directions of an edge."""
    keys = np.empty_like(corners)
    for place in range(3):
        np.add(corners[:, place], corners[:, (place + 1) % 3], out=keys[:, place])
    return keys


def _paired_order(corners: Keys) -> Keys:
    """Half-edge indices (3n,), sorted so that the half-edges of an edge stand together."""
    count = corners.size
    bits = np.uint64(max(count - 1, 1).bit_length())
    low = np.uint64((1 << int(bits)) - 1)
    packed = _edge_keys(corners).reshape(-1)
    step = 1 << 16
    for start in range(0, count, step):
        part = packed[start : start + step]
        mix(part)
        part &= ~low
        part |= np.arange(start, start + len(part), dtype=np.uint64)
    packed.sort()
    packed &= low
    return packed


def _exact_pairs(corners: Keys, order: Keys) -> tuple[Labels, Labels] | None:
    """Facets on both sides of every edge when all edges have exactly two opposite half-edges, else None."""
    if len(order) % 2:
        return None
    flat = corners.reshape(-1)
    half = order.astype(np.int64).reshape(-1, 2)
    first, second = half[:, 0], half[:, 1]
    facet_a, facet_b = (first // 3).astype(np.int32), (second // 3).astype(np.int32)
    start_a, start_b = flat[first], flat[second]
    end_a, end_b = flat[_successor(first, facet_a)], flat[_successor(second, facet_b)]
    if not (np.array_equal(start_a, end_b) and np.array_equal(end_a, start_b)):
        return None
    sums = start_a + end_a
    if (sums[1:] == sums[:-1]).any():
        return None
    return facet_a, facet_b


def _successor(half: HalfEdges, facet: Labels) -> HalfEdges:
    following = half + 1
    following -= 3 * (following == 3 * (facet.astype(np.int64) + 1))
    return following


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
    faults = tuple(Fault(len(found), int(facets[found[0]]) if len(found) else -1)
                   for found in (open_edges, crowded, winding))  # fmt: skip
    return facets[together - 1], facets[together], (faults[0], faults[1], faults[2])


def _duplicates(corners: Keys) -> Fault:
    """Facets that name the same three points as an earlier one."""
    sums = mix(corners.copy().reshape(-1)).reshape(-1, 3).sum(axis=1, dtype=np.uint64)
    order = np.argsort(sums, kind="stable")
    again = order[1:][sums[order[1:]] == sums[order[:-1]]]
    return Fault(len(again), int(again.min()) if len(again) else -1)


def _pillows(labels: Labels) -> Fault:
    """In a surface whose edges are all paired, a facet twice can only be a closed shell of two facets."""
    if not len(labels):
        return Fault()
    sizes = np.bincount(labels)
    flat = np.flatnonzero((sizes > 0) & (sizes < 4))
    return Fault(len(flat), int(flat[0]) if len(flat) else -1)


def _distinct(keys: Keys) -> int:
    if not len(keys):
        return 0
    ordered = np.sort(keys)
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _first_fault(mask: NDArray[np.bool_]) -> Fault:
    count = int(np.count_nonzero(mask))
    return Fault(count, int(mask.argmax())) if count else Fault()


def _original(fault: Fault, kept: HalfEdges | None) -> Fault:
    if kept is None or fault.facet < 0:
        return fault
    return Fault(fault.count, int(kept[fault.facet]))


def _spread(labels: Labels, kept: HalfEdges | None, facets: int) -> Labels:
    if kept is None:
        return labels
    spread = np.full(facets, -1, np.int32)
    spread[kept] = kept[labels]
    return spread
