from __future__ import annotations

import numpy as np
import pytest

from mesh_tools.errors import Refused
from mesh_tools.intersections.budget import Budget
from mesh_tools.intersections.pairs import FOUND_MAX
from mesh_tools.model import Body
from tests.mesh_tools.intersections.surfaces import CROSSING, OVERLAPPING, marks


class TestBudget:
    def test_refuses_when_it_is_spent(self) -> None:
        budget = Budget(10)
        budget.spend(budget.allowed)
        with pytest.raises(Refused, match=r"limit\.facet_pairs"):
            budget.spend(1)

    def test_grows_with_the_facets(self) -> None:
        assert Budget(1_000_000).allowed > Budget(10).allowed


class TestEndlessCrossings:
    def test_are_cut_off_and_told(self) -> None:
        triangles = np.random.default_rng(3).uniform(0, 10, (1500, 3, 3)).astype(np.float32)
        found = marks(Body(triangles))
        assert "limit.facet_pairs" in found
        assert 1000 < len(found.get(CROSSING, set()) | found.get(OVERLAPPING, set())) <= 1500
        assert FOUND_MAX < 1500 * 1499 / 2
