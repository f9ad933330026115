"""The pairs of facets that meet badly: candidates from the tree, thinned out in steps of rising cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from mesh_tools.intersections.box_tree import Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import TOUCHING, Kinds, apart, meeting
from mesh_tools.intersections.surface import Surface, axes

FOUND_MAX: Final = 100_000
"""Bad pairs after which a search stops: the part is refused, and more would only cost time."""

Wanted = Callable[[Places, Places], Mask]


@dataclass(frozen=True, eq=False)
class Meetings:
    """Pairs of places and how they meet (`kinds`, see `meeting`), if badly; `complete` unless cut off."""

    first: Places
    second: Places
    kinds: Kinds
    complete: bool


def meetings(surface: Surface, tolerance: float, wanted: Wanted, budget: Budget) -> Meetings:
    """All pairs of facets of `surface` that `wanted` asks for and that overlap by more than `tolerance`."""
    none = np.empty(0, np.int32)
    found = [(none, none, np.empty(0, np.int8))]
    count = 0
    for first, second in surface.tree.pairs():
        budget.spend(len(first))
        chosen = np.flatnonzero(wanted(first, second))
        found.append(_met(surface, first[chosen], second[chosen], tolerance))
        count += len(found[-1][0])
        if count > FOUND_MAX:
            break
    first, second, kinds = (np.concatenate(column) for column in zip(*found, strict=True))
    return Meetings(first, second, kinds, count <= FOUND_MAX)


def _met(surface: Surface, first: Places, second: Places, tolerance: float) -> tuple[Places, Places, Kinds]:
    ours, theirs = axes(surface, first), axes(surface, second)
    origin = ours[0].copy()
    ours -= origin
    theirs -= origin
    for swapped in (False, True):
        near = np.flatnonzero(~(apart(theirs, ours) if swapped else apart(ours, theirs)))
        ours, theirs, first, second = ours[:, :, near], theirs[:, :, near], first[near], second[near]
    if not len(first):
        return first, second, np.empty(0, np.int8)
    kinds = meeting(ours, theirs, tolerance, surface.rounding)
    bad = np.flatnonzero(kinds != TOUCHING)
    return first[bad], second[bad], kinds[bad]


def sharing(vertices: Places) -> Wanted:
    """Whether two places have a vertex of `vertices` (3, n) in common."""

    def shared(first: Places, second: Places) -> Mask:
        theirs = [row.take(second) for row in vertices]
        common = np.zeros(len(first), np.bool_)
        for row in vertices:
            ours = row.take(first)
            for other in theirs:
                common |= ours == other
        return common

    return shared
