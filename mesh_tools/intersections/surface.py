"""The facets of one body, laid out for finding which of them meet: in the order of a tree of boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesh_tools.intersections.box_tree import BoxTree, Mask, Places, Sides
from mesh_tools.intersections.frame import frame_of, turned
from mesh_tools.intersections.vectors import Vectors, cross
from mesh_tools.model import Body, Corners
from mesh_tools.vertex_keys import Keys, VertexKeys

ROUNDING = 2.0**-22
"""Four steps of a float32: coordinates that differ by less, relative to their size, are taken for equal."""


@dataclass(frozen=True, eq=False)
class Surface:
    """Facets with area, in the tree's order. `numbers` (n,) are their numbers in the body.

    `corners` (n, 9) are x, y, z of the three corners, in the body's unit. `vertices` (3, n) number the
    distinct points, `points` many. The tree's boxes lie along the axes of `frame` (see `frame_of`), about
    `centre`; `centre` and `half` (3,) are the middle of the bounds along these axes and half their sides.
    `rounding` is how far a coordinate may be from where it was meant, `extent` the longest side.
    """

    tree: BoxTree
    frame: Vectors | None
    centre: Vectors
    half: Vectors
    numbers: Places
    corners: Corners
    vertices: Places
    points: int
    rounding: float
    extent: float

    @classmethod
    def of(cls, body: Body) -> Surface | None:
        """The surface of one instance of `body`, whose coordinates are finite; None without area."""
        frame = frame_of(body)
        low, high, flat = _boxes(body, frame)
        kept = np.flatnonzero(~flat).astype(np.int32)
        if not len(kept):
            return None
        if len(kept) < len(flat):
            low, high = low[:, kept], high[:, kept]
        least, most = low.min(axis=1), high.max(axis=1)
        centre, half = (least + most) / 2, (most - least) / 2
        extent = 2 * float(half.max())
        single = body.points.dtype == np.float32
        rounding = ROUNDING * (float(np.abs([least, most]).max()) if single else extent)
        tree = BoxTree.over(_narrowed(low, centre, -rounding), _narrowed(high, centre, rounding))
        del low, high
        numbers = kept[tree.order]
        vertices, points = _vertex_numbers(VertexKeys().of_corners(body).reshape(-1, 3)[numbers])
        corners = _corners(body, numbers)
        return cls(tree, frame, centre, half, numbers, corners, vertices, points, rounding, extent)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Facets touch up to `depth`; less in proportion on what is smaller than `small`. In the file's unit."""

    depth: float
    small: float

    def on(self, surface: Surface) -> float:
        """The depth on `surface`."""
        return self.at(surface.extent, surface.rounding)

    def at(self, extent: float, rounding: float) -> float:
        """The depth on what has that longest side: never below what its coordinates resolve."""
        return max(self.depth * min(1.0, extent / self.small), 2 * rounding)


def _boxes(body: Body, frame: Vectors | None) -> tuple[Vectors, Vectors, Mask]:
    """Lowest and highest corners (3, n) of the facets along the frame's axes, and which have no area."""
    low, high = np.empty((3, body.facet_count)), np.empty((3, body.facet_count))
    flat = np.empty(body.facet_count, np.bool_)
    for start, corners in body.chunks():
        stop = start + len(corners)
        rows = np.ascontiguousarray(corners.reshape(-1, 9).T, np.float64).reshape(3, 3, -1)
        flat[start:stop] = ~cross(rows[1] - rows[0], rows[2] - rows[0]).any(axis=0)
        first, second, third = turned(rows, frame)
        np.minimum(np.minimum(first, second), third, out=low[:, start:stop])
        np.maximum(np.maximum(first, second), third, out=high[:, start:stop])
    return low, high, flat


def _narrowed(sides: Vectors, centre: Vectors, margin: float) -> Sides:
    """`sides` as float32 about the centre; the margin outweighs the rounding."""
    narrow = np.empty(sides.shape, np.float32)
    for axis in range(3):
        narrow[axis] = sides[axis] + (margin - centre[axis])
    return narrow


def _corners(body: Body, numbers: Places) -> Corners:
    if body.facets is None:
        return np.ascontiguousarray(body.points[numbers].reshape(-1, 9))
    return np.ascontiguousarray(body.points[body.facets[numbers]].reshape(-1, 9))


def _vertex_numbers(keys: Keys) -> tuple[Places, int]:
    """Numbers (3, n) for the keys (n, 3), by first appearance, equal for equal keys, and how many there are.

    A collision of the shortened keys can only give one key several numbers: facets that share the vertex are
    then compared as if they did not, which costs time and changes no answer.
    """
    flat = keys.reshape(-1)
    low = np.uint64((1 << max(len(flat) - 1, 1).bit_length()) - 1)
    packed = flat & ~low
    packed |= np.arange(len(flat), dtype=np.uint64)
    packed.sort()
    corner = (packed & low).astype(np.int32)
    del packed
    ordered = flat[corner]
    fresh = np.empty(len(flat), np.bool_)
    fresh[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    del ordered
    group = np.cumsum(fresh, dtype=np.int32) - np.int32(1)
    firsts = np.zeros(len(flat), np.bool_)
    starts = corner[fresh]
    firsts[starts] = True
    rank = (np.cumsum(firsts, dtype=np.int32) - np.int32(1))[starts]
    numbers = np.empty(len(flat), np.int32)
    numbers[corner] = rank[group]
    return np.ascontiguousarray(numbers.reshape(-1, 3).T), len(starts)


def axes(surface: Surface, places: Places | slice) -> Vectors:
    """The corners of the facets at `places` as (3 corners, 3 axes, m)."""
    return np.ascontiguousarray(surface.corners[places].T, np.float64).reshape(3, 3, -1)
