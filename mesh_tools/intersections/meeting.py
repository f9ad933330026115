"""How two triangles meet: apart, merely touching, crossing, or lying in each other.

Two convex sets can be pulled apart along some direction by the depth of their overlap. For triangles in
space the shortest such way is along a normal of one, or across an edge of each (separating axes; Gottschalk,
Lin and Manocha 1996). Any axis bounds the depth from above, so rounding can't make a deep crossing shallow,
and an axis that two near-parallel edges leave undefined does no harm. Depths up to a tolerance are touching.

Facets that lie in one plane need no depth to leave it: they are judged within the plane, by the axes
perpendicular to their edges.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mesh_tools.intersections.box_tree import Mask
from mesh_tools.intersections.vectors import Numbers, Vectors, cross, dot

Kinds = NDArray[np.int8]

TOUCHING: Final = 0
CROSSING: Final = 1
OVERLAID: Final = 2
"""In one plane, facing the same side."""
FOLDED: Final = 3
"""In one plane, facing each other or away from each other."""


def apart(first: Vectors, second: Vectors) -> Mask:
    """Whether all of `second` is beyond an edge of `first`, within its plane; (3 corners, 3 axes, m) both.

    Quick, and enough for nearly all neighbours on a smooth surface; False says nothing.
    """
    edges = [first[(k + 1) % 3] - first[k] for k in range(3)]
    normal = cross(edges[0], edges[1])
    found = np.zeros(first.shape[2], np.bool_)
    for k, edge in enumerate(edges):
        outward = cross(edge, normal)
        border = dot(outward, first[k])
        heights = [dot(outward, corner) for corner in second]
        least = np.minimum(np.minimum(heights[0], heights[1]), heights[2])
        most = np.maximum(np.maximum(heights[0], heights[1]), heights[2])
        found |= (least >= border) & (most > border)
    return found


def meeting(first: Vectors, second: Vectors, tolerance: float, rounding: float) -> Kinds:
    """How the m pairs (3 corners, 3 axes, m) meet; overlaps up to `tolerance` are touching, and facets
    no further than `rounding` from the other's plane lie in it.
    """
    kinds = np.full(first.shape[2], TOUCHING, np.int8)
    edges, others = _edges(first), _edges(second)
    normal, across = cross(edges[0], edges[1]), cross(others[0], others[1])
    in_plane = _plane_overlap(first, second, edges, others, normal, across) > tolerance
    left = np.flatnonzero(in_plane)
    if not len(left):
        return kinds
    first, second, edges, others = (part[:, :, left] for part in (first, second, edges, others))
    normal, across = normal[:, left], across[:, left]
    depth = np.minimum(_overlap(first, second, normal), _overlap(first, second, across))
    for edge in edges:
        for other in others:
            np.minimum(depth, _overlap(first, second, cross(edge, other)), out=depth)
    flat = np.minimum(_distance(second, first[0], normal), _distance(first, second[0], across)) <= rounding
    facing = dot(normal, across) > 0
    kinds[left] = np.where(
        depth > tolerance, CROSSING, np.where(flat, np.where(facing, OVERLAID, FOLDED), TOUCHING)
    )
    return kinds


def _edges(corners: Vectors) -> Vectors:
    return np.roll(corners, -1, axis=0) - corners


def _plane_overlap(
    first: Vectors, second: Vectors, edges: Vectors, others: Vectors, normal: Vectors, across: Vectors
) -> Numbers:
    """The least overlap across any edge, within the plane of the edge's own facet."""
    least = np.full(first.shape[2], np.inf)
    for sides, up in ((edges, normal), (others, across)):
        for side in sides:
            np.minimum(least, _overlap(first, second, cross(side, up)), out=least)
    return least


def _overlap(first: Vectors, second: Vectors, axis: Vectors) -> Numbers:
    """By how much the two overlap along `axis` (3, m); infinite where the axis is none."""
    ours, theirs = [dot(axis, corner) for corner in first], [dot(axis, corner) for corner in second]
    low, high = _ends(ours)
    least, most = _ends(theirs)
    length = np.sqrt(dot(axis, axis))
    overlap = np.minimum(high - least, most - low)
    return np.divide(overlap, length, out=np.full_like(overlap, np.inf), where=length > 0)


def _ends(heights: list[Numbers]) -> tuple[Numbers, Numbers]:
    return (
        np.minimum(np.minimum(heights[0], heights[1]), heights[2]),
        np.maximum(np.maximum(heights[0], heights[1]), heights[2]),
    )


def _distance(corners: Vectors, point: Vectors, normal: Vectors) -> Numbers:
    """The largest distance of `corners` from the plane through `point`."""
    length = np.sqrt(dot(normal, normal))
    most = np.zeros(corners.shape[2])
    for corner in corners:
        np.maximum(most, np.abs(dot(normal, corner - point)), out=most)
    return np.divide(most, length, out=np.full_like(most, np.inf), where=length > 0)
