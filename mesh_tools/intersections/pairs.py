"""The pairs of facets that meet badly: candidates from the tree, thinned out in steps of rising cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from mesh_tools.intersections.box_tree import Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import TOUCHING, Kinds, apart, meeting
from mesh_tools.intersections.surface import Surface, axes

FOUND_MAX: Final = 100_000
"""Bad pairs after which a search stops: the part is refused, and more would only cost time."""

_PAIRS = 1 << 15

Wanted = Callable[[Places, Places], Mask]
"""Which pairs of places to compare."""

Allowed = Callable[[Places, Places, Kinds], Mask]
"""Which of the pairs that meet in these kinds may do so."""


@dataclass(frozen=True, eq=False)
class Meetings:
    """Pairs of places and how they meet (`kinds`, see `meeting`), if badly; `complete` unless cut off."""

    first: Places
    second: Places
    kinds: Kinds
    complete: bool


def meetings(
    surface: Surface,
    tolerance: float,
    wanted: Wanted,
    allowed: Allowed,
    budget: Budget,
    found_max: int = FOUND_MAX,
) -> Meetings:
    """All `wanted` pairs of facets that overlap by more than `tolerance` and are not `allowed` to.

    The search stops after `found_max` of them; pairs that are allowed don't count.
    """
    none = np.empty(0, np.int32)
    found = [(none, none, np.empty(0, np.int8))]
    count = 0
    for first, second in _candidates(surface, wanted, budget):
        met = _met(surface, first, second, tolerance)
        bad = ~allowed(*met)
        found.append((met[0][bad], met[1][bad], met[2][bad]))
        count += len(found[-1][0])
        if count > found_max:
            break
    first, second, kinds = (np.concatenate(column) for column in zip(*found, strict=True))
    return Meetings(first, second, kinds, count <= found_max)


def _candidates(surface: Surface, wanted: Wanted, budget: Budget) -> Iterator[tuple[Places, Places]]:
    for first, second in surface.tree.pairs():
        budget.spend(len(first))
        chosen = np.flatnonzero(wanted(first, second))
        for start in range(0, len(chosen), _PAIRS):
            part = chosen[start : start + _PAIRS]
            yield first[part], second[part]


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
