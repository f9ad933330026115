"""Analytic bodies with known walls, gaps and overhangs, turned and shuffled at random."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.examine import judge_model
from mesh_tools.findings import Finding, Geometry
from mesh_tools.gate import graded
from mesh_tools.marked import Marked
from mesh_tools.model import IDENTITY, Body, Model, Placement
from mesh_tools.policy.policy import Policy
from tests.mesh_tools import shapes
from tests.mesh_tools.shapes import Points, Shape


def rotation(seed: int) -> NDArray[np.float64]:
    """A proper rotation, for row vectors."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    return turn


def turned(shape: Shape, seed: int) -> Shape:
    """Rotated, moved and with its facets shuffled and begun at another corner."""
    random = np.random.default_rng(seed)
    facets = random.permutation(shape[1])
    starts = (random.integers(0, 3, len(facets))[:, None] + np.arange(3)) % 3
    return shape[0] @ rotation(seed) + random.uniform(-50, 50, 3), np.take_along_axis(facets, starts, 1)


def prism(outline: list[tuple[float, float]], length: float, holes: int = 0) -> Shape:
    """A simple polygon (counter-clockwise in x and y, convex or cut in ears) drawn along z."""
    flat = np.array(outline, float)
    count = len(flat)
    points = np.concatenate([np.c_[flat, np.zeros(count)], np.c_[flat, np.full(count, length)]])
    here = np.arange(count)
    after = (here + 1) % count
    sides = [np.stack([here, after, after + count], 1), np.stack([here, after + count, here + count], 1)]
    caps = np.array(_ears(flat))
    return points, np.concatenate([*sides, caps[:, ::-1], caps + count])


def strip(outline: Points, half: int, length: float) -> Shape:
    """A ladder drawn along z: `half` points of the outline forward below, as many backward above."""
    count = len(outline)
    points = np.concatenate([np.c_[outline, np.zeros(count)], np.c_[outline, np.full(count, length)]])
    here = np.arange(count)
    after = (here + 1) % count
    rung = np.arange(half - 1)
    above = count - 1 - rung
    caps = np.concatenate([np.stack([rung, rung + 1, above], 1), np.stack([rung + 1, above - 1, above], 1)])
    sides = [np.stack([here, after, after + count], 1), np.stack([here, after + count, here + count], 1)]
    return points, np.concatenate([*sides, caps[:, ::-1], caps + count])


def wedge(degrees: float, length: float = 40, width: float = 30) -> Shape:
    """A prism over a right triangle whose edge has this angle."""
    return prism([(0, 0), (length, 0), (length, length * math.tan(math.radians(degrees)))], width)


def comb(gap: float, tooth: float = 4, teeth: int = 5, height: float = 15, base: float = 5) -> Shape:
    """Teeth of one width on a base, a gap between neighbours."""
    outline = [(0.0, 0.0), (teeth * tooth + (teeth - 1) * gap, 0.0)]
    for number in reversed(range(teeth)):
        left = number * (tooth + gap)
        outline += [(left + tooth, base + height), (left, base + height)]
        if number:
            outline += [(left, base), (left - gap, base)]
    return prism(outline, 12)


def tube(inner: float, outer: float, height: float = 20, segments: int = 90) -> Shape:
    """A tube about z; both of its walls have the same corners' angles, so that they are parallel."""
    turn = np.linspace(0, 2 * math.pi, segments, endpoint=False)
    round_ = np.c_[np.cos(turn), np.sin(turn)]
    rings = [np.c_[round_ * radius, np.full(segments, z)] for radius in (inner, outer) for z in (0.0, height)]
    here = np.arange(segments)
    after = (here + 1) % segments
    facets = []
    for low, high in ((segments, 0), (0, 2), (2, 3), (3, 1)):
        low, high = {segments: 1}.get(low, low) * segments, high * segments
        facets.append(np.stack([low + here, high + here, high + after], 1))
        facets.append(np.stack([low + here, high + after, low + after], 1))
    return np.concatenate(rings), np.concatenate(facets)[:, ::-1]


def cup(degrees: float, radius: float = 10, height: float = 8, segments: int = 120) -> Shape:
    """A cone that widens upward from a foot: its side leans by this angle from the vertical."""
    return shapes.revolved(
        [(radius, 0), (radius + height * math.tan(math.radians(degrees)), height)], segments
    )


def _ears(flat: Points) -> list[tuple[int, int, int]]:
    """Triangles of a simple polygon by cutting ears."""
    left, found = list(range(len(flat))), []
    while len(left) > 3:
        for at in range(len(left)):
            a, b, c = left[at - 1], left[at], left[(at + 1) % len(left)]
            others = [flat[n] for n in left if n not in (a, b, c)]
            if _turn(flat[a], flat[b], flat[c]) > 1e-12 and not any(
                _within(point, flat[a], flat[b], flat[c]) for point in others
            ):
                found.append((a, b, c))
                left.pop(at)
                break
    return [*found, (left[0], left[1], left[2])]


def _turn(a: Points, b: Points, c: Points) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _within(p: Points, a: Points, b: Points, c: Points) -> bool:
    return min(_turn(a, b, p), _turn(b, c, p), _turn(c, a, p)) >= 0


@dataclass(frozen=True)
class Judgement:
    """What the gate says of a model."""

    findings: tuple[Finding, ...]
    geometry: Geometry
    marked: tuple[Marked, ...]

    def get(self, code: str) -> Finding | None:
        return next((found for found in self.findings if found.code == code), None)

    @property
    def codes(self) -> set[str]:
        return {found.code for found in self.findings}


def judged(
    *shapes_: Shape,
    policy: Policy | None = None,
    placements: tuple[Placement, ...] = (IDENTITY,),
    scale: float = 1.0,
) -> Judgement:
    """Judge one body for each shape."""
    wanted = policy or Policy()
    bodies = [
        Body(points.astype(np.float32), facets.astype(np.int32), placements) for points, facets in shapes_
    ]
    found = judge_model(Model("test", bodies, scale), wanted)
    assert found.geometry is not None
    findings = graded([marked.finding for marked in found.marked], wanted)
    return Judgement(findings, found.geometry, found.marked)
