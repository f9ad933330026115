"""Where one body cuts itself, and which of its shells overlap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mesh_tools.intersections.box_tree import Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import FOLDED
from mesh_tools.intersections.nesting import embedded
from mesh_tools.intersections.pairs import meetings, sharing
from mesh_tools.intersections.solid import Solid
from mesh_tools.intersections.stars import unproven_vertices
from mesh_tools.intersections.surface import Surface, Tolerance


@dataclass(frozen=True, eq=False)
class Within:
    """Numbers of the facets that cut their own shell, and of those that reach into another shell.

    `complete` unless so many were found that the search was cut off.
    """

    crossing: Places
    overlapping: Places
    complete: bool


def overlaps_within(solid: Solid, asked: Tolerance, budget: Budget) -> Within:
    """Compare all facets of `solid`; up to the depth `asked` they touch."""
    surface, shell = solid.surface, solid.shell
    tolerance = asked.on(surface)
    met = meetings(surface, tolerance, _not_proven_apart(surface), budget)
    same = shell[met.first] == shell[met.second]
    folded = met.kinds == FOLDED
    crossing = same & (~folded | sharing(surface.vertices)(met.first, met.second))
    overlapping = ~same & ~folded
    ends = np.stack([met.first, met.second])
    nested = _nested(solid, np.unique(shell[ends[:, overlapping]]), tolerance, budget)
    places = np.concatenate([ends[:, overlapping].reshape(-1), np.flatnonzero(np.isin(shell, nested))])
    return Within(
        np.unique(surface.numbers[ends[:, crossing]]), np.unique(surface.numbers[places]), met.complete
    )


def _not_proven_apart(surface: Surface) -> Callable[[Places, Places], Mask]:
    """Facets without a common vertex, or with one whose facets may overlap: there each corner is its own."""
    doubtful = unproven_vertices(surface)[surface.vertices]
    vertices = surface.vertices.copy()
    vertices[doubtful] = -1 - np.arange(np.count_nonzero(doubtful), dtype=np.int32)
    share = sharing(vertices)
    return lambda first, second: ~share(first, second)


def _nested(solid: Solid, cut: Places, tolerance: float, budget: Budget) -> Places:
    """The shells of positive volume that cut no other, but lie in another's material."""
    shells = np.setdiff1d(np.flatnonzero(solid.volumes > 0), cut).astype(np.int32)
    if len(solid.volumes) < 2 or not len(shells):
        return shells[:0]
    points = solid.samples[shells]
    return shells[embedded(solid.surface, points, tolerance, budget, (solid.shell, shells))]
