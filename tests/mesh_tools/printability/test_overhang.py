from __future__ import annotations

import math

import numpy as np
import pytest

from mesh_tools.policy.policy import Policy
from tests.mesh_tools import shapes
from tests.mesh_tools.printability import bodies
from tests.mesh_tools.printability.bodies import judged


class TestOverhang:
    @pytest.mark.parametrize("limit", [30.0, 45.0, 60.0])
    @pytest.mark.parametrize("beyond", [-1.0, 0.0, 1.0])
    def test_begins_beyond_the_limit(self, limit: float, beyond: float) -> None:
        segments = 120
        # the flat facets of a cone lean less than its corners by the cosine of half a segment
        lean = math.degrees(math.atan(math.tan(math.radians(limit + beyond)) / math.cos(math.pi / segments)))
        found = judged(bodies.cup(lean, segments=segments), policy=Policy(overhang_degrees_max=limit))
        share = found.geometry.overhang_share
        assert share is not None
        if beyond <= 0:
            assert share == 0
            assert "overhang.share" not in found.codes
        else:
            top = 10 + 8 * math.tan(math.radians(lean))
            ring = segments * math.sin(2 * math.pi / segments) / 2
            side = found.geometry.area_mm2 - ring * (10**2 + top**2)
            assert share == pytest.approx(side / found.geometry.area_mm2, rel=1e-4)
            assert "overhang.share" in found.codes

    def test_leaves_out_what_rests_on_the_plate(self) -> None:
        table = shapes.joined(shapes.box(10, 10, 10), shapes.box(20, 20, 5, at=(40, 0, 5)))
        found = judged(table)
        assert found.geometry.overhang_share == pytest.approx(400 / (600 + 800 + 400))
        (marked,) = [row for row in found.marked if row.finding.code == "overhang.share"]
        assert set(marked.facets) == {12, 13}
        assert found.get("overhang.share").sample[2] == pytest.approx(5)  # type: ignore[union-attr, index]

    def test_is_measured_as_the_part_stands(self) -> None:
        upright = shapes.revolved([(10, 0), (2, 20)], 60)
        upside_down = (upright[0] * (1, -1, -1), upright[1])
        assert judged(upright).geometry.overhang_share == 0
        hanging = judged(upside_down, policy=Policy(overhang_degrees_max=20)).geometry.overhang_share
        assert hanging is not None
        assert hanging > 0.5

    def test_follows_placement_and_facet_order(self) -> None:
        points, facets = bodies.cup(60)
        shuffled = np.random.default_rng(3).permutation(facets)
        about_z = np.vstack([[[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], [[7.0, 8, 9]]])
        share = judged((points, facets)).geometry.overhang_share
        assert judged((points, shuffled), placements=(about_z,)).geometry.overhang_share == pytest.approx(
            share
        )

    @pytest.mark.parametrize("policy", [Policy("PBF-LB", "PA12"), Policy("BJT"), Policy("MJT")])
    def test_does_not_matter_where_powder_or_support_carries(self, policy: Policy) -> None:
        assert judged(bodies.cup(80), policy=policy).geometry.overhang_share is None
