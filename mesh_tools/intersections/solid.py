"""A body as the check sees it: its surface, and the shells that make it up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mesh_tools.components import Labels
from mesh_tools.intersections.box_tree import Places
from mesh_tools.intersections.nesting import Samples, samples_of
from mesh_tools.intersections.surface import Surface, axes
from mesh_tools.intersections.vectors import Numbers, cross, dot
from mesh_tools.model import Body

_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class Solid:
    """`shell` (n,) numbers the shell of each place from 0; `volumes` (shells,) are signed as wound."""

    body: Body
    surface: Surface
    shell: Labels
    volumes: Numbers

    @classmethod
    def of(cls, body: Body, shell_of: Labels) -> Solid | None:
        """One instance of `body`, its facets labelled by `shell_of`; None where no facet has area."""
        surface = Surface.of(body)
        if surface is None:
            return None
        shell, shells = _renumbered(shell_of[surface.numbers])
        return cls(body, surface, shell, _volumes(surface, shell, shells))

    @cached_property
    def samples(self) -> Samples:
        """Points on the shells that hold matter, in the body's unit."""
        found = samples_of(self.surface, self.shell, len(self.volumes))
        return found.chosen(self.volumes[found.shell] > 0)

    def facets_of(self, shell: int) -> Places:
        """The numbers, in the body, of all facets of a shell."""
        facets: Places = self.surface.numbers[self.shell == shell]
        return facets


def _renumbered(labels: Labels) -> tuple[Labels, int]:
    """The labels numbered from 0 without gaps, and how many there are."""
    used = np.zeros(int(labels.max()) + 1, np.bool_)
    used[labels] = True
    rank = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return rank[labels], int(rank[-1]) + 1


def _volumes(surface: Surface, shell: Labels, shells: int) -> Numbers:
    volumes = np.zeros(shells)
    for start in range(0, len(shell), _CHUNK):
        part = slice(start, start + _CHUNK)
        corners = axes(surface, part) - surface.corners[0, :3, None]
        parts = dot(corners[0], cross(corners[1], corners[2]))
        volumes += np.bincount(shell[part], parts, shells) / 6
    return volumes
