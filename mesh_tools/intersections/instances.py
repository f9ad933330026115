"""Bodies placed in each other: every two instances whose boxes overlap are compared where they do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.intersections.box_tree import BoxTree, Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import FOLDED, Kinds
from mesh_tools.intersections.nesting import Points, Samples, embedded
from mesh_tools.intersections.pairs import meetings
from mesh_tools.intersections.solid import Solid
from mesh_tools.intersections.surface import Surface, Tolerance
from mesh_tools.model import Body, Placement

_CHUNK = 1 << 14

Box = NDArray[np.float64]
"""Lowest and highest corner, (2, 3)."""


@dataclass(frozen=True, eq=False)
class _Instance:
    number: int
    solid: Solid
    placement: Placement

    def placed(self, points: Points) -> Points:
        moved: Points = points @ self.placement[:3] + self.placement[3]
        return moved


def overlaps_between(
    solids: Sequence[Solid | None], asked: Tolerance, budget: Budget
) -> Iterator[tuple[int, Places]]:
    """Yield (body, numbers of its facets) where an instance reaches deeper than `asked` into another."""
    instances: list[_Instance] = []
    boxes = [np.empty((0, 2, 3))]
    for number, solid in enumerate(solids):
        if solid is not None:
            rows = np.asarray(solid.body.placements, np.float64).reshape(-1, 12)
            placements = np.unique(rows, axis=0).reshape(-1, 4, 3)
            if len(placements) < len(rows):
                yield number, np.sort(solid.surface.numbers)
            instances += [_Instance(number, solid, placement) for placement in placements]
            boxes.append(_boxes(solid.surface, placements))
    if len(instances) < 2:
        return
    box = np.concatenate(boxes)
    for here, there in _neighbours(box, budget):
        one, other = instances[here], instances[there]
        yield from _cutting(one, other, box[here], box[there], asked, budget)
        yield from _lying_in(one, other, box[there], asked, budget)
        yield from _lying_in(other, one, box[here], asked, budget)


def _boxes(surface: Surface, placements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lowest and highest corners (k, 2, 3) of the surface as each of `placements` (k, 4, 3) puts it."""
    upright = np.eye(3) if surface.frame is None else surface.frame.T
    turns = upright @ placements[:, :3]
    centre = np.einsum("i,kij->kj", surface.centre, turns) + placements[:, 3]
    half = np.einsum("i,kij->kj", surface.half, np.abs(turns))
    return np.stack([centre - half, centre + half], axis=1)


def _neighbours(boxes: NDArray[np.float64], budget: Budget) -> Iterator[tuple[int, int]]:
    """Yield every two instances whose boxes (n, 2, 3) meet."""
    centre = boxes.mean(axis=(0, 1))
    margin = 2.0**-20 * float(np.abs(boxes - centre).max())
    low, high = boxes[:, 0] - centre - margin, boxes[:, 1] - centre + margin
    tree = BoxTree.over(low.T.astype(np.float32), high.T.astype(np.float32))
    for first, second in tree.pairs():
        budget.spend(len(first))
        yield from zip(tree.order[first].tolist(), tree.order[second].tolist(), strict=True)


def _cutting(
    one: _Instance, other: _Instance, box: Box, other_box: Box, asked: Tolerance, budget: Budget
) -> Iterator[tuple[int, Places]]:
    """Facets of both instances that cut the other one."""
    corners, numbers = _part(one, other_box)
    other_corners, other_numbers = _part(other, box)
    budget.spend(len(one.solid.shell) + len(other.solid.shell))
    if not len(numbers) or not len(other_numbers):
        return
    surface = Surface.of(Body(np.concatenate([corners, other_corners])))
    if surface is None:
        return
    ours = surface.numbers < len(numbers)

    def wanted(first: Places, second: Places) -> Mask:
        different: Mask = ours[first] != ours[second]
        return different

    smaller = min(float((box[1] - box[0]).max()), float((other_box[1] - other_box[0]).max()))
    met = meetings(surface, asked.at(smaller, surface.rounding), wanted, _folded, budget)
    facets = surface.numbers[np.unique(np.concatenate([met.first, met.second]))]
    if len(facets):
        yield one.number, np.sort(numbers[facets[facets < len(numbers)]])
        yield other.number, np.sort(other_numbers[facets[facets >= len(numbers)] - len(numbers)])


def _folded(_first: Places, _second: Places, kinds: Kinds) -> Mask:
    """Bodies may touch face to face."""
    folded: Mask = kinds == FOLDED
    return folded


def _part(instance: _Instance, box: Box) -> tuple[Points, Places]:
    """The placed corners (m, 3, 3) of the facets whose boxes meet `box`, and their numbers."""
    surface = instance.solid.surface
    mirrors = float(np.linalg.det(instance.placement[:3])) < 0  # turns the outside in, unless wound back
    corners, kept = [np.empty((0, 3, 3))], [np.empty(0, np.int64)]
    for start in range(0, len(surface.numbers), _CHUNK):
        placed = instance.placed(surface.corners[start : start + _CHUNK].reshape(-1, 3, 3).astype(np.float64))
        if mirrors:
            placed = placed[:, ::-1]
        meets = (placed.min(axis=1) <= box[1]).all(axis=1) & (placed.max(axis=1) >= box[0]).all(axis=1)
        corners.append(placed[meets])
        kept.append(start + np.flatnonzero(meets))
    return np.concatenate(corners), surface.numbers[np.concatenate(kept)]


def _lying_in(
    inner: _Instance, outer: _Instance, outer_box: Box, asked: Tolerance, budget: Budget
) -> Iterator[tuple[int, Places]]:
    """All facets of the solid shells of `inner` that lie in the material of `outer`."""
    placed = inner.placed(inner.solid.samples.points)
    within = ((placed >= outer_box[0]) & (placed <= outer_box[1])).all(axis=1)
    local = (placed[within] - outer.placement[3]) @ np.linalg.inv(outer.placement[:3])
    samples, surface = Samples(local, inner.solid.samples.shell[within]), outer.solid.surface
    for shell in embedded(surface, samples, asked.on(surface), budget).tolist():
        yield inner.number, inner.solid.facets_of(shell)
