"""Where one body cuts itself, and which of its shells overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesh_tools.intersections.box_tree import Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import FOLDED, Kinds
from mesh_tools.intersections.nesting import embedded
from mesh_tools.intersections.pairs import Allowed, Wanted, meetings, sharing
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
    met = meetings(surface, tolerance, _not_proven_apart(surface), _face_to_face(solid), budget)
    own = shell[met.first] == shell[met.second]
    ends = np.stack([met.first, met.second])
    nested = _nested(solid, np.unique(shell[ends[:, ~own]]), tolerance, budget)
    places = np.concatenate([ends[:, ~own].reshape(-1), np.flatnonzero(np.isin(shell, nested))])
    return Within(np.unique(surface.numbers[ends[:, own]]), np.unique(surface.numbers[places]), met.complete)


def _not_proven_apart(surface: Surface) -> Wanted:
    """Facets without a common vertex, or with one whose facets may overlap: there each corner is its own."""
    doubtful = unproven_vertices(surface)[surface.vertices]
    vertices = surface.vertices.copy()
    vertices[doubtful] = -1 - np.arange(np.count_nonzero(doubtful), dtype=np.int32)
    share = sharing(vertices)
    return lambda first, second: ~share(first, second)


def _face_to_face(solid: Solid) -> Allowed:
    """Walls that touch, but for folds: facets of one shell that share a vertex."""
    share = sharing(solid.surface.vertices)

    def allowed(first: Places, second: Places, kinds: Kinds) -> Mask:
        folds = (solid.shell[first] == solid.shell[second]) & share(first, second)
        touching: Mask = (kinds == FOLDED) & ~folds
        return touching

    return allowed


def _nested(solid: Solid, cut: Places, tolerance: float, budget: Budget) -> Places:
    """The shells of positive volume that cut no other, but lie in another's material."""
    if len(solid.volumes) < 2:
        return cut[:0]
    uncut = solid.samples.chosen(~np.isin(solid.samples.shell, cut))
    return embedded(solid.surface, uncut, tolerance, budget, solid.shell)
