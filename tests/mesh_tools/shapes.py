"""Sound shapes with known volume, and writers for the formats under test."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mesh_tools import stl

Points = NDArray[np.float64]
Facets = NDArray[np.int64]
Shape = tuple[Points, Facets]


def box(x: float = 10, y: float = 20, z: float = 30, at: tuple[float, float, float] = (0, 0, 0)) -> Shape:
    points = np.array([(i, j, k) for k in (0, z) for j in (0, y) for i in (0, x)], float) + at
    facets = [(0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4)]
    facets += [(2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)]
    return points, np.array(facets)


def revolved(profile: list[tuple[float, float]], segments: int) -> Shape:
    """Turn (radius, height) points round z; the profile runs upward outside and closes on the axis."""
    angles = np.linspace(0, 2 * math.pi, segments, endpoint=False)
    rings = [np.stack([r * np.cos(angles), r * np.sin(angles), np.full(segments, h)], 1) for r, h in profile]
    points = np.concatenate([[(0, 0, profile[0][1])], *rings, [(0, 0, profile[-1][1])]])
    here = np.arange(segments)
    after = (here + 1) % segments
    zero, top = np.zeros(segments, int), np.full(segments, 1 + len(rings) * segments)
    facets = [np.stack([zero, 1 + after, 1 + here], 1)]
    for ring in range(len(rings) - 1):
        low, high = 1 + ring * segments, 1 + (ring + 1) * segments
        facets.append(np.stack([low + here, low + after, high + here], 1))
        facets.append(np.stack([low + after, high + after, high + here], 1))
    last = 1 + (len(rings) - 1) * segments
    facets.append(np.stack([last + here, last + after, top], 1))
    return points, np.concatenate(facets)


def cylinder(radius: float = 8, height: float = 12, segments: int = 24) -> Shape:
    return revolved([(radius, 0), (radius, height)], segments)


def sphere(radius: float = 10, rings: int = 8, segments: int = 16) -> Shape:
    turns = np.linspace(0, math.pi, rings + 2)[1:-1]
    return revolved([(radius * math.sin(t), -radius * math.cos(t)) for t in turns], segments)


def torus(major: float = 12, minor: float = 4, around: int = 16, across: int = 9) -> Shape:
    u, v = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    alpha, beta = 2 * math.pi * u / around, 2 * math.pi * v / across
    radius = major + minor * np.cos(beta)
    points = np.stack([radius * np.cos(alpha), radius * np.sin(alpha), minor * np.sin(beta)], -1).reshape(
        -1, 3
    )
    a = (u * across + v).ravel()
    b = ((u + 1) % around * across + v).ravel()
    c = ((u + 1) % around * across + (v + 1) % across).ravel()
    d = (u * across + (v + 1) % across).ravel()
    return points, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def joined(*shapes: Shape) -> Shape:
    offsets = np.cumsum([0, *(len(points) for points, _ in shapes)])
    facets = [part + offset for (_, part), offset in zip(shapes, offsets, strict=False)]
    return np.concatenate([points for points, _ in shapes]), np.concatenate(facets)


def inverted(shape: Shape) -> Shape:
    return shape[0], shape[1][:, ::-1]


def corners(shape: Shape) -> NDArray[np.float32]:
    return shape[0].astype(np.float32)[shape[1]]


def stl_binary(triangles: NDArray[np.float32], header: bytes = b"", attribute: int = 0) -> bytes:
    records = np.zeros(len(triangles), stl.RECORD)
    records["corners"], records["attribute"] = triangles, attribute
    return header.ljust(80, b"\0") + len(triangles).to_bytes(4, "little") + records.tobytes()


def stl_ascii(triangles: NDArray[np.float32], name: str = "part") -> bytes:
    rows = [f"solid {name}"]
    for triangle in triangles.astype(float):
        rows += ["  facet normal 0 0 0", "    outer loop"]
        rows += [f"      vertex {float(x)!r} {float(y)!r} {float(z)!r}" for x, y, z in triangle]
        rows += ["    endloop", "  endfacet"]
    return "\n".join([*rows, f"endsolid {name}", ""]).encode()
