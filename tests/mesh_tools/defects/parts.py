"""Sound parts drawn at random: solids of several kinds, sizes, turns, places and precisions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.mesh_tools import shapes
from tests.mesh_tools.shapes import Facets, Points, Shape

Random = np.random.Generator


@dataclass(frozen=True, eq=False)
class Part:
    """A closed, outward part in mm. `outer` counts the facets of its first shell, which holds matter."""

    points: Points
    facets: Facets
    outer: int

    @property
    def shape(self) -> Shape:
        return self.points, self.facets


def drawn(rng: Random, dtype: type[np.floating[Any]] = np.float32) -> Part:
    """A sound part of 20 to 1500 facets and 5 to 300 mm, exact in `dtype`."""
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    solids = kind(rng)
    points, facets = shapes.joined(*solids)
    points = points @ _turn(rng).T
    size = float(np.ptp(points, axis=0).max())
    points = points * rng.uniform(5, 300) / size + rng.uniform(-500, 500, 3)
    order = rng.permutation(len(facets[: len(solids[0][1])]))
    facets[: len(order)] = facets[order]
    facets = np.take_along_axis(facets, (np.arange(3) + rng.integers(0, 3, (len(facets), 1))) % 3, axis=1)
    return Part(points.astype(dtype).astype(float), facets, len(solids[0][1]))


def _sphere(rng: Random) -> list[Shape]:
    return [shapes.sphere(10, int(rng.integers(3, 15)), int(rng.integers(5, 30)))]


def _torus(rng: Random) -> list[Shape]:
    return [shapes.torus(12, rng.uniform(2, 8), int(rng.integers(5, 25)), int(rng.integers(4, 15)))]


def _box(rng: Random) -> list[Shape]:
    return [finer(shapes.box(*rng.uniform(3, 20, 3)), int(rng.integers(1, 3)))]


def _turned(rng: Random) -> list[Shape]:
    heights = np.cumsum(rng.uniform(1, 5, int(rng.integers(2, 9))))
    radii = rng.uniform(3, 12, len(heights))
    profile = [(float(radius), float(height)) for radius, height in zip(radii, heights, strict=True)]
    return [shapes.revolved(profile, int(rng.integers(5, 24)))]


def _plate_with_hole(rng: Random) -> list[Shape]:
    return [ring_plate(rng.uniform(2, 6), rng.uniform(8, 14), rng.uniform(2, 9), int(rng.integers(5, 40)))]


def _tube(rng: Random) -> list[Shape]:
    return [
        swept(rng.uniform(0.5, 2), int(rng.integers(8, 40)), int(rng.integers(3, 12)), rng.uniform(0.5, 3))
    ]


def _several(rng: Random) -> list[Shape]:
    count = int(rng.integers(2, 5))
    return [_moved(shapes.sphere(4, 5, 9), 12 * number) for number in range(count)]


def _hollow(rng: Random) -> list[Shape]:
    inside = shapes.inverted(shapes.sphere(rng.uniform(2, 4), 4, int(rng.integers(5, 12))))
    return [finer(shapes.box(20, 20, 20, at=(-10, -10, -10)), 1), inside]


_KINDS: tuple[Callable[[Random], list[Shape]], ...] = (
    _sphere, _torus, _box, _turned, _plate_with_hole, _tube, _several, _hollow,
)  # fmt: skip


def finer(shape: Shape, times: int) -> Shape:
    """Each facet cut into four, `times` over, new corners shared."""
    points, facets = shape
    for _ in range(times):
        edges = np.sort(facets[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, where = np.unique(edges, axis=0, return_inverse=True)
        middle = (len(points) + where.reshape(-1)).reshape(-1, 3)
        points = np.concatenate([points, points[unique].mean(axis=1)])
        a, b, c = facets.T
        ab, bc, ca = middle.T
        facets = np.concatenate(
            [np.stack(rows, 1) for rows in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
    return points, facets


def ring_plate(inner: float, outer: float, height: float, segments: int) -> Shape:
    """A round plate with a round hole through it."""
    turns = np.linspace(0, 2 * math.pi, segments, endpoint=False)
    circle = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    rings = [(outer, 0.0), (inner, 0.0), (inner, height), (outer, height)]
    points = np.concatenate([np.column_stack([radius * circle, np.full(segments, z)]) for radius, z in rings])
    return points, _wrapped(len(rings), segments)


def swept(radius: float, along: int, around: int, waves: float) -> Shape:
    """A tube along a closed wavy curve round the axis."""
    t = np.linspace(0, 2 * math.pi, along, endpoint=False)
    out = np.stack([np.cos(t), np.sin(t), np.zeros(along)], axis=1)
    centre = 12 * out + np.column_stack([np.zeros((along, 2)), waves * np.sin(2 * t)])
    u = np.linspace(0, 2 * math.pi, around, endpoint=False)
    ring = np.cos(u)[None, :, None] * out[:, None, :] + np.sin(u)[None, :, None] * np.array([0, 0, 1.0])
    points = (centre[:, None, :] + radius * ring).reshape(-1, 3)
    return points, _wrapped(along, around)


def _wrapped(rows: int, columns: int) -> Facets:
    """Facets of a grid (rows, columns) closed both ways, outward when rows × columns turn right-handed."""
    u, v = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    after_u, after_v = (u + 1) % rows, (v + 1) % columns
    a, b, c, d = (
        (i * columns + j).ravel() for i, j in ((u, v), (after_u, v), (after_u, after_v), (u, after_v))
    )
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def _moved(shape: Shape, along: float) -> Shape:
    return shape[0] + (along, 0, 0), shape[1]


def _turn(rng: Random) -> NDArray[np.float64]:
    """A rotation drawn evenly, or none."""
    if rng.random() < 0.3:
        return np.eye(3)
    matrix, upper = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix = matrix * np.sign(np.diag(upper))
    return matrix if np.linalg.det(matrix) > 0 else matrix[:, [1, 0, 2]]
