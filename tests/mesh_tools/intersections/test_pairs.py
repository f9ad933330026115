from __future__ import annotations

import numpy as np

from mesh_tools.intersections.box_tree import Mask, Places
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.meeting import CROSSING, FOLDED, Kinds
from mesh_tools.intersections.pairs import meetings, sharing
from mesh_tools.intersections.surface import Surface
from tests.mesh_tools.intersections.surfaces import soup
from tests.mesh_tools.shapes import box, joined

STACK = [box(10, 10, 1, (0.1 * height, 0.2 * height, height)) for height in range(12)]


class TestMeetings:
    def test_are_not_cut_off_by_what_is_allowed(self) -> None:
        surface = Surface.of(soup(joined(*STACK, box(1, 1, 0.5, (5.2, 4.1, 11.8)))))
        assert surface is not None
        share = sharing(surface.vertices)
        touching = []

        def folded(first: Places, second: Places, kinds: Kinds) -> Mask:
            touching.append(np.count_nonzero(kinds == FOLDED))
            return kinds == FOLDED

        met = meetings(surface, 1e-3, lambda *pair: ~share(*pair), folded, Budget(0), found_max=25)
        assert sum(touching) > 25
        assert set(met.kinds.tolist()) == {CROSSING}
        assert met.complete

    def test_are_complete_where_few_are_found(self) -> None:
        surface = Surface.of(soup(joined(box(10, 10, 10), box(2, 2, 20, (4, 3, -5)))))
        assert surface is not None
        share = sharing(surface.vertices)
        met = meetings(surface, 1e-3, lambda *pair: ~share(*pair), lambda *met: met[2] != CROSSING, Budget(0))
        assert met.complete
        assert len(met.first) == len(met.second) == len(met.kinds) > 8


class TestSharing:
    def test_tells_which_places_have_a_vertex_in_common(self) -> None:
        vertices = np.array([[0, 1, 5], [1, 2, 6], [2, 3, 0]], np.int32)
        first, second = np.array([0, 0, 1], np.int32), np.array([1, 2, 2], np.int32)
        assert sharing(vertices)(first, second).tolist() == [True, True, False]
