"""Defects planted in a sound part, each at a random place; all other corners stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.mesh_tools import shapes
from tests.mesh_tools.defects.parts import Part, Random
from tests.mesh_tools.intersections import exact
from tests.mesh_tools.shapes import Facets, Points, Shape

Plant = Callable[[Part, Random], Shape]


@dataclass(frozen=True)
class Defect:
    """What is planted, and the code that must name it; one that only `warns` leaves the part printable."""

    name: str
    code: str
    plant: Plant
    warns: bool = False

    def __str__(self) -> str:
        return self.name


def _any(part: Part, rng: Random) -> int:
    return int(rng.integers(len(part.facets)))


def _missing(part: Part, rng: Random) -> Shape:
    return part.points, np.delete(part.facets, _any(part, rng), axis=0)


def _hole(part: Part, rng: Random) -> Shape:
    """All facets round a corner of a larger part are gone; of the smallest, a few."""
    corner = part.facets[_any(part, rng), 0]
    gone = np.flatnonzero((part.facets == corner).any(axis=1))
    return part.points, np.delete(part.facets, gone[: max(1, len(part.facets) // 3)], axis=0)


def _flipped(part: Part, rng: Random) -> Shape:
    facets = part.facets.copy()
    place = _any(part, rng)
    facets[place] = facets[place, ::-1]
    return part.points, facets


def _flipped_patch(part: Part, rng: Random) -> Shape:
    """Several neighbours turned together: their common edges agree, the patch's border does not."""
    facets = part.facets.copy()
    corner = facets[_any(part, rng), 0]
    patch = (facets == corner).any(axis=1)
    facets[patch] = facets[patch, ::-1]
    return part.points, facets


def _inverted(part: Part, _rng: Random) -> Shape:
    return part.points, part.facets[:, ::-1]


def _flipped_shell(part: Part, rng: Random) -> Shape:
    """A second solid beside the part, inside out."""
    return _joined(part, shapes.inverted(_beside(part, rng)))


def _void_beside(part: Part, rng: Random) -> Shape:
    """A small shell inside out near a corner of the part's bounds, where no matter is: in a ring's corner."""
    low, high = part.points.min(axis=0), part.points.max(axis=0)
    ring = shapes.torus(1, 0.4, 12, 8)
    size = high - low
    ring = (ring[0] * float(size.max()) + high + size, ring[1])
    small = 0.05 * float(size.max())
    hole = shapes.inverted(shapes.box(small, small, small))
    return _joined(part, ring, (hole[0] + high + size - small / 2, hole[1]))


def _duplicate(part: Part, rng: Random) -> Shape:
    facet = part.facets[_any(part, rng)]
    turned = np.roll(facet, int(rng.integers(3)))
    return part.points, np.vstack([part.facets, turned])


def _duplicate_shell(part: Part, _rng: Random) -> Shape:
    return _joined(part, part.shape)


def _collapsed(part: Part, rng: Random) -> Shape:
    """A facet more, of two corners in one place."""
    _, b, c = part.facets[_any(part, rng)]
    points = np.vstack([part.points, part.points[b]])
    return points, np.vstack([part.facets, [(len(part.points), b, c)]])


def _crowded(part: Part, rng: Random) -> Shape:
    """A sheet, closed by its back, that hangs on an edge of the part: four facets meet there."""
    a, b, _ = part.facets[_any(part, rng)]
    tip = np.vstack([part.points, _within(part, rng)])
    m = len(part.points)
    return tip, np.vstack([part.facets, [(a, b, m), (b, a, m)]])


def _third_facet(part: Part, rng: Random) -> Shape:
    """One facet more on an edge."""
    a, b, _ = part.facets[_any(part, rng)]
    return np.vstack([part.points, _within(part, rng)]), np.vstack([part.facets, [(a, b, len(part.points))]])


def _t_junction(part: Part, rng: Random) -> Shape:
    """A facet cut in two at the middle of an edge, its neighbour not: the crack has no width."""
    place = _any(part, rng)
    a, b, c = part.facets[place]
    points = np.vstack([part.points, _middle(part.points[b], part.points[c])])
    m = len(part.points)
    return points, np.vstack([np.delete(part.facets, place, axis=0), [(a, b, m), (a, m, c)]])


def _seam(part: Part, rng: Random) -> Shape:
    """A facet with corners of its own, a hair away: to the eye closed."""
    place = _any(part, rng)
    own = part.points[part.facets[place]]
    near = np.nextafter(own.astype(np.float32), np.float32(np.inf)).astype(float)
    facets = part.facets.copy()
    facets[place] = len(part.points) + np.arange(3)
    return np.vstack([part.points, near]), facets


def _sheet(part: Part, rng: Random) -> Shape:
    """Beside the part a polygon and its back, cut along other diagonals: closed, and nothing in it."""
    count = int(rng.integers(5, 20))
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = np.stack([np.cos(turns), np.sin(turns), np.zeros(count)], axis=1)
    front = [(0, i, i + 1) for i in range(1, count - 1)]
    back = [(1, (i + 2) % count, (i + 1) % count) for i in range(1, count - 1)]
    size = float(np.ptp(part.points, axis=0).max())
    return _joined(part, (rim * size + part.points.max(axis=0) + 2 * size, np.array([*front, *back])))


def _flat(part: Part, rng: Random) -> Shape:
    """The whole part pressed into a plane: all edges matched, no volume."""
    points = part.points.copy()
    points[:, int(rng.integers(3))] = rng.uniform(-10, 10)
    return points, part.facets


def _not_finite(part: Part, rng: Random) -> Shape:
    points = part.points.copy()
    points[part.facets[_any(part, rng), int(rng.integers(3))], int(rng.integers(3))] = rng.choice(
        [np.nan, np.inf, -np.inf]
    )
    return points, part.facets


def _cavity(part: Part, rng: Random) -> Shape:
    """A block round the part, the part turned over: matter everywhere but in the part's place."""
    low, high = part.points.min(axis=0), part.points.max(axis=0)
    margin = 0.2 * float((high - low).max())
    block = shapes.box(*(high - low + 2 * margin))
    first = part.facets[: part.outer]
    return _only32(*shapes.joined((block[0] + low - margin, block[1]), (part.points, first[:, ::-1])))


def _crossing(part: Part, rng: Random) -> Shape:
    """One corner drawn through the part to its other side, where the surface then runs through itself."""
    outer = part.facets[: part.outer]
    middle = part.points[outer].reshape(-1, 3).mean(axis=0)
    for place in rng.permutation(part.outer):
        corner = outer[place, 0]
        points = part.points.copy()
        points[corner] += 2.5 * (middle - points[corner])
        points, _ = _only32(points, part.facets)
        if _runs_through(points[outer], (outer == corner).any(axis=1)):
            return points, part.facets
    raise AssertionError("no corner of this part reaches through it")


def _runs_through(corners: Points, drawn: NDArray[np.bool_]) -> bool:
    """Whether a facet that is `drawn` cuts, in exact arithmetic, one that is not."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    triangles = [exact.exact(triangle) for triangle in corners.tolist()]
    for one in np.flatnonzero(drawn):
        near = ((low <= high[one]) & (high >= low[one])).all(axis=1) & ~drawn
        if any(exact.crossing(triangles[one], triangles[other]) for other in np.flatnonzero(near)):
            return True
    return False


def _overlap(part: Part, rng: Random) -> Shape:
    """A ball round a corner of the part."""
    size = float(np.ptp(part.points, axis=0).max())
    points, facets = shapes.sphere(size * rng.uniform(0.1, 0.3), 5, 9)
    return _joined(part, (points + part.points[part.facets[_any(part, rng), 0]], facets))


def _nested(part: Part, rng: Random) -> Shape:
    """The part within a block, both solid: they touch nowhere."""
    low, high = part.points.min(axis=0), part.points.max(axis=0)
    margin = rng.uniform(0.1, 1) * float((high - low).max())
    block = shapes.box(*(high - low + 2 * margin))
    return _joined(part, (block[0] + low - margin, block[1]))


def _thin(part: Part, _rng: Random) -> Shape:
    """A plate of 0.002 mm beside the part, as wide as the part."""
    size = float(np.ptp(part.points, axis=0).max())
    points, facets = shapes.box(size, size, 0.002)
    return _joined(part, (points + part.points.max(axis=0) + size, facets))


def _mirrored_winding(part: Part, _rng: Random) -> Shape:
    """The part mirrored by its coordinates without turning its facets over."""
    return part.points * (-1, 1, 1), part.facets


def _beside(part: Part, rng: Random) -> Shape:
    size = float(np.ptp(part.points, axis=0).max())
    points, facets = shapes.sphere(size * rng.uniform(0.05, 0.4), 4, 7)
    return points + part.points.max(axis=0) + size, facets


def _within(part: Part, rng: Random) -> Points:
    weights = rng.dirichlet(np.ones(len(part.points)))
    return np.asarray(weights @ part.points, np.float32).astype(float)[None]


def _middle(first: Points, second: Points) -> Points:
    """A point of the edge as float32 has it, other than its ends."""
    found = np.asarray((first + second) / 2, np.float32).astype(float)
    assert (found != first).any()
    assert (found != second).any()
    return found


def _joined(part: Part, *others: Shape) -> Shape:
    return _only32(*shapes.joined(part.shape, *others))


def _only32(points: Points, facets: Facets) -> Shape:
    return points.astype(np.float32).astype(float), facets


DEFECTS: tuple[Defect, ...] = (
    Defect("missing facet", "mesh.open_edges", _missing),
    Defect("hole", "mesh.open_edges", _hole),
    Defect("T-junction", "mesh.open_edges", _t_junction),
    Defect("seam that nearly meets", "mesh.open_edges", _seam),
    Defect("flipped facet", "mesh.winding", _flipped),
    Defect("flipped patch", "mesh.winding", _flipped_patch),
    Defect("inside out", "mesh.inverted", _inverted),
    Defect("mirrored coordinates", "mesh.inverted", _mirrored_winding),
    Defect("shell inside out beside the part", "mesh.inverted", _flipped_shell),
    Defect("void where no matter is", "mesh.inverted", _void_beside),
    Defect("duplicate facet", "mesh.duplicate_facets", _duplicate),
    Defect("duplicate shell", "mesh.duplicate_facets", _duplicate_shell),
    Defect("third facet on an edge", "mesh.non_manifold_edges", _third_facet),
    Defect("sheet on an edge", "mesh.non_manifold_edges", _crowded),
    Defect("sheet beside the part", "mesh.zero_volume", _sheet),
    Defect("flat part", "mesh.zero_volume", _flat),
    Defect("coordinate that is not finite", "mesh.not_finite", _not_finite),
    Defect("surface through itself", "mesh.self_intersections", _crossing),
    Defect("ball into the part", "mesh.overlapping_bodies", _overlap),
    Defect("solid in a solid", "mesh.overlapping_bodies", _nested),
    Defect("cavity", "mesh.cavities", _cavity, warns=True),
    Defect("thin wall", "wall.thin", _thin),
    Defect("facets without area", "mesh.degenerate_facets", _collapsed, warns=True),
)
