"""Sound meshes of many kinds at random sizes and turns, and what a test asks of the check."""

from __future__ import annotations

import math

import numpy as np

from mesh_tools.intersections import intersections
from mesh_tools.model import Body, Model
from tests.mesh_tools.shapes import Points, Shape, box, cylinder, inverted, joined, revolved, sphere, torus

CROSSING = "mesh.self_intersections"
OVERLAPPING = "mesh.overlapping_bodies"
Marks = dict[str, set[int]]


def soup(shape: Shape) -> Body:
    """The body as a binary STL would give it."""
    return Body(shape[0].astype(np.float32)[shape[1]])


def marks(*bodies: Body, unit_mm: float = 1.0, tolerance_mm: float = 1e-3) -> Marks:
    """The facets marked by each code, of all bodies together."""
    found: Marks = {}
    for marked in intersections(Model("test", bodies), unit_mm, tolerance_mm=tolerance_mm):
        assert marked.finding.count >= len(marked.facets) >= 0
        found.setdefault(marked.finding.code, set()).update(marked.facets.tolist())
    return found


def turned(points: Points, rng: np.random.Generator) -> Points:
    """The points turned at random and moved up to 200 mm away."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    placed: Points = points @ turn + rng.uniform(-200, 200, 3)
    return placed


def screw(turns: int = 4, steps: int = 24) -> Shape:
    """A closed tube along a helix."""
    count = turns * steps
    along = np.arange(count) * 2 * math.pi / steps
    middle = np.stack([10 * np.cos(along), 10 * np.sin(along), along * 6 / math.pi], 1)
    outward = np.stack([np.cos(along), np.sin(along), np.zeros(count)], 1)
    ring = np.arange(8) * math.pi / 4
    points = middle[:, None] + 2 * (
        np.cos(ring)[:, None] * outward[:, None] + np.sin(ring)[:, None] * np.array([0, 0, 1])
    )
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(count - 1), np.arange(8), indexing="ij"))
    a, b = i * 8 + j, i * 8 + (j + 1) % 8
    facets = [np.stack([a, b, a + 8], 1), np.stack([b, b + 8, a + 8], 1)]
    fan = np.arange(1, 7)
    first, last = np.zeros(6, int), np.full(6, (count - 1) * 8)
    facets += [np.stack([first, fan + 1, fan], 1), np.stack([last, last + fan, last + fan + 1], 1)]
    return points.reshape(-1, 3), np.concatenate(facets)


def bracket() -> Shape:
    """An extruded L with a knife edge: concave, sharp and square corners, large facets."""
    outline = np.array([(0, 0), (40, 0), (40, 5), (6, 5), (5, 6), (5, 30), (0, 40)], float)
    count = len(outline)
    points = np.concatenate([np.column_stack([outline, np.full(count, z)]) for z in (0.0, 12.0)])
    here, after = np.arange(count), (np.arange(count) + 1) % count
    top = np.array([(0, 1, 3), (1, 2, 3), (0, 3, 4), (0, 4, 5), (0, 5, 6)])
    sides = [np.stack([here, after, here + count], 1), np.stack([after, after + count, here + count], 1)]
    return points, np.concatenate([top[:, ::-1], top + count, *sides])


def hollow(thickness: float) -> Shape:
    """A ball with a wall of even thickness."""
    return joined(sphere(10, 12, 24), inverted(sphere(10 - thickness, 12, 24)))


GOOD = {
    "box": box(),
    "cylinder": cylinder(segments=200),
    "fan of slivers": cylinder(50, 0.2, 300),
    "sphere": sphere(10, 20, 40),
    "torus": torus(12, 4, 40, 20),
    "screw": screw(),
    "bracket": bracket(),
    "hourglass": revolved([(8, 0), (0.5, 6), (8, 12)], 60),
    "thin wall": hollow(0.05),
    "thin plate": box(50, 40, 0.02),
    "part in a cavity": joined(hollow(2), sphere(5, 6, 12)),
    "boxes that stand on each other": joined(box(20, 20, 5), box(7, 6, 5, (3, 4, 5))),
    "boxes corner to corner": joined(box(5, 5, 5), box(5, 5, 5, (5, 5, 5))),
    "pieces apart": joined(box(7, 7, 7), box(7, 7, 7, (8, 0, 0)), box(7, 7, 7, (0, 7.01, 0))),
}
