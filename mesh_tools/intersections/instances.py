"""Bodies placed in each other: every two instances whose boxes overlap are compared where they do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.intersections.box_tree import BoxTree, Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import FOLDED
from mesh_tools.intersections.nesting import Points, embedded
from mesh_tools.intersections.pairs import meetings
from mesh_tools.intersections.solid import Solid
from mesh_tools.intersections.surface import Surface, Tolerance
from mesh_tools.model import Body, Placement

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

    def box(self) -> Box:
        surface = self.solid.surface
        upright = np.eye(3) if surface.frame is None else surface.frame.T
        centre = self.placed(surface.centre @ upright)
        half = surface.half @ np.abs(upright @ self.placement[:3])
        return np.stack([centre - half, centre + half])


def overlaps_between(
    solids: Sequence[Solid | None], asked: Tolerance, budget: Budget
) -> Iterator[tuple[int, Places]]:
    """Yield (body, numbers of its facets) where an instance reaches deeper than `asked` into another."""
    instances = [
        _Instance(number, solid, placement)
        for number, solid in enumerate(solids)
        if solid is not None
        for placement in solid.body.placements
    ]
    if len(instances) < 2:
        return
    boxes = np.stack([instance.box() for instance in instances])
    for here, others in _neighbours(boxes).items():
        yield from _cutting(instances, boxes, here, others, asked, budget)
        for other in others:
            yield from _lying_in(instances[here], instances[other], asked, budget)
            yield from _lying_in(instances[other], instances[here], asked, budget)


def _neighbours(boxes: NDArray[np.float64]) -> dict[int, list[int]]:
    """For each instance the later ones whose boxes (n, 2, 3) meet its own."""
    centre = boxes.mean(axis=(0, 1))
    margin = 2.0**-20 * float(np.abs(boxes - centre).max())
    low, high = boxes[:, 0] - centre - margin, boxes[:, 1] - centre + margin
    tree = BoxTree.over(low.T.astype(np.float32), high.T.astype(np.float32))
    neighbours: dict[int, list[int]] = defaultdict(list)
    for first, second in tree.pairs():
        for one, other in np.sort(np.stack([tree.order[first], tree.order[second]], axis=1), axis=1).tolist():
            neighbours[one].append(other)
    return neighbours


def _cutting(
    instances: Sequence[_Instance], boxes: NDArray[np.float64], here: int, others: Sequence[int],
    asked: Tolerance, budget: Budget,
) -> Iterator[tuple[int, Places]]:  # fmt: skip
    """Facets of instance `here` and of `others` that cut each other."""
    around = np.stack([boxes[others, 0].min(axis=0), boxes[others, 1].max(axis=0)])
    members = [_part(instances[here], around), *(_part(instances[other], boxes[here]) for other in others)]
    owner = np.repeat(np.arange(len(members)), [len(numbers) for _, numbers in members])
    numbers = np.concatenate([numbers for _, numbers in members])
    if not (owner == 0).any() or (owner == 0).all():
        return
    surface = Surface.of(Body(np.concatenate([corners for corners, _ in members])))
    if surface is None:
        return
    side = owner[surface.numbers] == 0

    def wanted(first: Places, second: Places) -> Mask:
        different: Mask = side[first] != side[second]
        return different

    met = meetings(surface, asked.on(surface), wanted, budget)
    bad = met.kinds != FOLDED
    facets = surface.numbers[np.unique(np.concatenate([met.first[bad], met.second[bad]]))]
    for member in np.unique(owner[facets]).tolist():
        instance = instances[here if member == 0 else others[member - 1]]
        yield instance.number, np.sort(numbers[facets[owner[facets] == member]])


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
    inner: _Instance, outer: _Instance, asked: Tolerance, budget: Budget
) -> Iterator[tuple[int, Places]]:
    """All facets of the solid shells of `inner` that lie in the material of `outer`."""
    shells = np.flatnonzero(inner.solid.volumes > 0)
    placed = inner.placed(inner.solid.samples()[shells])
    local = (placed - outer.placement[3]) @ np.linalg.inv(outer.placement[:3])
    surface = outer.solid.surface
    for shell in shells[embedded(surface, local, asked.on(surface), budget)].tolist():
        yield inner.number, inner.solid.facets_of(shell)


_CHUNK = 1 << 14
