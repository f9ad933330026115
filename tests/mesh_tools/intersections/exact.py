"""An oracle by exact arithmetic: how two triangles with integer or rational corners meet."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Point = tuple[Fraction, Fraction, Fraction]
Triangle = Sequence[Point]
Flat = tuple[Fraction, Fraction]


def exact(corners: Sequence[Sequence[float]]) -> list[Point]:
    """The corners without rounding."""
    return [(Fraction(x), Fraction(y), Fraction(z)) for x, y, z in corners]


def minus(a: Point, b: Point) -> Point:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def cross(a: Point, b: Point) -> Point:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def dot(a: Point, b: Point) -> Fraction:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def normal(triangle: Triangle) -> Point:
    return cross(minus(triangle[1], triangle[0]), minus(triangle[2], triangle[0]))


def crossing(first: Triangle, second: Triangle) -> bool:
    """Whether their interiors pass through each other, in planes that differ."""
    n, m = normal(first), normal(second)
    line = cross(n, m)
    if not any(line):
        return False
    spans = (_span(first, second[0], m, line), _span(second, first[0], n, line))
    return all(spans) and max(low for low, _ in spans if _ is not None) < min(high for _, high in spans)


def _span(triangle: Triangle, point: Point, across: Point, line: Point) -> tuple[Fraction, ...]:
    """Where, along `line`, the plane through `point` cuts the triangle's interior; empty when it doesn't."""
    heights = [dot(across, minus(corner, point)) for corner in triangle]
    if not min(heights) < 0 < max(heights):
        return ()
    cuts = []
    for k in range(3):
        a, b, high, low = triangle[k], triangle[k - 1], heights[k], heights[k - 1]
        if high == 0:
            cuts.append(dot(line, a))
        elif high * low < 0:
            share = high / (high - low)
            cuts.append(dot(line, a) + share * (dot(line, b) - dot(line, a)))
    return (min(cuts), max(cuts))


def in_one_plane(first: Triangle, second: Triangle) -> bool:
    n = normal(first)
    return any(n) and all(dot(n, minus(corner, first[0])) == 0 for corner in second)


def overlaid(first: Triangle, second: Triangle) -> bool:
    """Whether two triangles of one plane have area in common."""
    n = normal(first)
    axis = max(range(3), key=lambda k: abs(n[k]))
    flat = [[(c[(axis + 1) % 3], c[(axis + 2) % 3]) for c in triangle] for triangle in (first, second)]
    polygon, clip = (_counter_clockwise(triangle) for triangle in flat)
    for k in range(3):
        polygon = _clipped(polygon, clip[k - 1], clip[k])
    return _twice_area(polygon) > 0


def _counter_clockwise(polygon: list[Flat]) -> list[Flat]:
    return polygon if _twice_area(polygon) > 0 else polygon[::-1]


def _twice_area(polygon: list[Flat]) -> Fraction:
    return sum(
        (a[0] * b[1] - a[1] * b[0] for a, b in zip(polygon, polygon[1:] + polygon[:1], strict=True)),
        Fraction(0),
    )


def _clipped(polygon: list[Flat], start: Flat, end: Flat) -> list[Flat]:
    """The part of a convex polygon to the left of a line."""

    def height(p: Flat) -> Fraction:
        return (end[0] - start[0]) * (p[1] - start[1]) - (end[1] - start[1]) * (p[0] - start[0])

    kept: list[Flat] = []
    for a, b in zip(polygon[-1:] + polygon[:-1], polygon, strict=True):
        before, after = height(a), height(b)
        if before * after < 0:
            share = before / (before - after)
            kept.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
        if after >= 0:
            kept.append(b)
    return kept


def facing(first: Triangle, second: Triangle) -> bool:
    return dot(normal(first), normal(second)) > 0
