from __future__ import annotations

import math

import numpy as np
import pytest

from mesh_tools.examine import judge_model
from mesh_tools.model import Body, Model
from mesh_tools.policy.guidelines import GUIDELINES
from mesh_tools.policy.policy import Policy
from tests.mesh_tools import shapes
from tests.mesh_tools.printability import bodies
from tests.mesh_tools.printability.bodies import judged, turned

_SEEDS = range(4)
_STRICT = Policy(wall_mm_min=1.0)


class TestWall:
    @pytest.mark.parametrize("seed", _SEEDS)
    @pytest.mark.parametrize("thickness", [0.05, 0.4, 0.79, 3.0])
    def test_of_a_plate_is_its_thickness(self, thickness: float, seed: int) -> None:
        plate = turned(shapes.box(thickness, 40, 50), seed)
        assert judged(plate).geometry.wall_mm == pytest.approx((thickness, thickness), abs=1e-4)

    @pytest.mark.parametrize("seed", _SEEDS)
    def test_of_a_tube_is_the_difference_of_its_radii(self, seed: int) -> None:
        flat = math.cos(math.pi / 90)  # between parallel facets
        walls = judged(turned(bodies.tube(9, 9.5), seed)).geometry.wall_mm
        assert walls == pytest.approx((0.5 * flat, 0.5 * flat), abs=1e-3)

    @pytest.mark.parametrize("seed", _SEEDS)
    def test_of_a_hollow_sphere_is_between_its_shells(self, seed: int) -> None:
        inner = shapes.inverted(shapes.sphere(9, 60, 120))
        walls = judged(turned(shapes.joined(shapes.sphere(10, 60, 120), inner), seed)).geometry.wall_mm
        assert walls is not None
        assert 0.98 < walls[0] <= walls[1] < 1.01

    def test_of_a_rod_is_its_diameter(self) -> None:
        walls = judged(turned(shapes.cylinder(0.5, 40, 60), 1)).geometry.wall_mm
        assert walls == pytest.approx((1.0, 1.0), rel=0.01)

    @pytest.mark.parametrize("scale", [0.001, 25.4, 1000.0])
    def test_is_in_mm_whatever_the_unit(self, scale: float) -> None:
        walls = judged(turned(shapes.box(2, 40, 50), 3), scale=scale).geometry.wall_mm
        assert walls == pytest.approx((2 * scale, 2 * scale), rel=1e-4, abs=1e-4)

    def test_follows_the_placement(self) -> None:
        squeezed = np.vstack([np.diag([0.1, 1, 1]), [[5.0, 0, 0]]])
        mirrored = np.vstack([np.diag([-0.1, 1, 1]), [[-50.0, 0, 0]]])
        found = judged(shapes.box(4, 20, 20), placements=(squeezed, mirrored))
        assert found.geometry.wall_mm == pytest.approx((0.4, 0.4), abs=1e-4)

    def test_is_not_said_of_an_open_part(self) -> None:
        points, facets = shapes.box()
        assert judged((points, facets[1:])).geometry.wall_mm is None


class TestThinWall:
    @pytest.mark.parametrize("process", [name for name, rows in GUIDELINES.items() if rows[None].wall_mm_min])
    def test_warns_below_the_guideline_and_refuses_what_cannot_be_built(self, process: str) -> None:
        policy = Policy(process)
        limit, floor = policy.guideline.wall_mm_min, policy.guideline.wall_mm_floor
        assert limit is not None
        assert floor is not None
        severities = {}
        for thickness in (limit, limit * 0.9, floor * 0.9):
            found = judged(turned(shapes.box(thickness, 40, 50), 2), policy=policy).get("wall.thin")
            severities[thickness] = found and found.severity
        assert list(severities.values()) == [None, "warn", "refuse"]

    def test_refuses_below_what_the_policy_itself_sets(self) -> None:
        plate = turned(shapes.box(0.9, 40, 50), 1)
        assert judged(plate).get("wall.thin") is None
        found = judged(plate, policy=_STRICT).get("wall.thin")
        assert found is not None
        assert found.severity == "refuse"
        assert "sampled" in found.message

    def test_says_the_share_the_thinnest_and_where(self) -> None:
        fin, block = shapes.box(0.5, 20, 20, at=(64, 0, 0)), shapes.box(40, 40, 10)
        found = judged(shapes.joined(block, shapes.box(10, 10, 10, at=(100, 0, 0)), fin))
        thin = found.get("wall.thin")
        assert thin is not None
        assert thin.sample is not None
        assert thin.sample[0] in {64, 64.5}
        area = 2 * 40 * 40 + 4 * 40 * 10 + 600 + 2 * 20 * 20.5 + 2 * 20 * 0.5
        share = float(thin.message.split("%")[0])
        assert share == pytest.approx(100 * 2 * 20 * 20 / area, rel=0.02)
        assert "0.5 mm" in thin.message
        (marked,) = [row for row in found.marked if row.finding.code == "wall.thin"]
        assert set(marked.facets) == {*range(24, 36)} - {24, 25, 26, 27, 28, 29, 30, 31}

    def test_is_found_far_from_the_origin(self) -> None:
        plate = shapes.box(0.5, 40, 50, at=(1e8, -1e8, 1e8))
        body = Body(plate[0], plate[1].astype(np.int32))
        found = judge_model(Model("test", [body], 1.0), _STRICT)
        assert "wall.thin" in {row.finding.code for row in found.marked}

    def test_is_found_behind_slivers(self) -> None:
        """A plate whose broad faces are cut into strips far finer than what is taken for a sliver."""
        strips = 3000
        edge = np.linspace(0, 1e-5 * strips, strips)
        outline = [(0.0, 0.0), *((x, 0.0) for x in edge[1:]), *((x, 0.01) for x in edge[::-1])]
        plate = bodies.strip(np.array(outline), strips, 100.0)
        found = judged(plate)
        assert found.geometry.watertight
        assert "wall.thin" in found.codes

    def test_names_the_body(self) -> None:
        found = judged(shapes.box(), shapes.box(0.5, 20, 20, at=(100, 0, 0)), shapes.box(at=(200, 0, 0)))
        assert [row.body for row in found.marked if row.finding.code == "wall.thin"] == [1]

    @pytest.mark.parametrize("seed", _SEEDS)
    def test_finds_a_pin_that_hardly_has_a_share(self, seed: int) -> None:
        pin = shapes.cylinder(0.2, 3, 12)
        pinned = shapes.joined(shapes.box(100, 100, 100), (pin[0] + (150, 0, 0), pin[1]))
        found = judged(turned(pinned, seed)).get("wall.thin")
        assert found is not None
        assert "0.01%" in found.message
        assert "0.386 mm" in found.message

    @pytest.mark.parametrize("degrees", [5, 15, 25])
    def test_finds_the_edge_of_a_wedge(self, degrees: float) -> None:
        """Within s of the edge the faces are s · sin(angle) apart, seen from either."""
        found = judged(turned(bodies.wedge(degrees), 7), policy=_STRICT)
        thin = found.get("wall.thin")
        assert thin is not None
        assert found.geometry.wall_mm is not None
        assert found.geometry.wall_mm[0] < 0.05
        reach = 0.98 / math.sin(math.radians(degrees))
        share = (reach + reach) * 30 / found.geometry.area_mm2
        assert float(thin.message.split("%")[0]) == pytest.approx(100 * share, rel=0.05, abs=0.05)

    @pytest.mark.parametrize("seed", _SEEDS)
    @pytest.mark.parametrize(
        "shape",
        [
            shapes.box(5, 6, 7),
            shapes.cylinder(5, 10, 7),
            shapes.sphere(6, 40, 80),
            shapes.torus(12, 4, 90, 45),
            bodies.wedge(31),
            bodies.wedge(45),
            bodies.tube(5, 8),
            bodies.comb(3),
            bodies.cup(30),
            shapes.revolved([(8, 0), (0.01, 8)], 60),
        ],
        ids=["box", "cylinder", "sphere", "torus", "wedge-31", "wedge-45", "tube", "comb", "cup", "cone"],
    )
    def test_is_never_found_in_thick_parts(self, shape: shapes.Shape, seed: int) -> None:
        assert not {"wall.thin", "gap.thin"} & judged(turned(shape, seed), policy=_STRICT).codes


class TestGap:
    @pytest.mark.parametrize("seed", _SEEDS)
    @pytest.mark.parametrize("gap", [0.1, 0.6, 3.0])
    def test_between_the_teeth_of_a_comb_is_its_width(self, gap: float, seed: int) -> None:
        gaps = judged(turned(bodies.comb(gap), seed)).geometry.gap_mm
        assert gaps == pytest.approx((gap, gap), abs=1e-4)

    def test_is_none_around_a_convex_part(self) -> None:
        assert judged(turned(shapes.sphere(), 5)).geometry.gap_mm is None

    def test_warns_below_the_guideline_and_refuses_below_the_policys_own(self) -> None:
        comb = turned(bodies.comb(0.15), 3)
        warned = judged(comb).get("gap.thin")
        assert warned is not None
        assert warned.severity == "warn"
        assert "0.15 mm" in warned.message
        refused = judged(comb, policy=Policy(gap_mm_min=0.5)).get("gap.thin")
        assert refused is not None
        assert refused.severity == "refuse"
        assert judged(comb, policy=Policy(gap_mm_min=0.15)).get("gap.thin") is None

    def test_is_found_between_bodies(self) -> None:
        found = judged(shapes.box(), shapes.box(at=(10.1, 0, 0)))
        assert found.geometry.gap_mm == pytest.approx((0.1, 0.1), abs=1e-4)
        assert [row.body for row in found.marked if row.finding.code == "gap.thin"] == [0, 1]
        assert judged(shapes.box(), shapes.box(at=(10, 0, 0))).geometry.gap_mm is None
