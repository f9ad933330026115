"""A part of very many shells is refused for them, and costs no more."""

from __future__ import annotations

from mesh_tools.gate import Policy
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools import shapes


def _grid(count: int) -> bytes:
    boxes = [shapes.box(1, 1, 1, at=(2.0 * number, 0, 0)) for number in range(count)]
    return shapes.stl_binary(shapes.corners(shapes.joined(*boxes)))


class TestManyShells:
    def test_are_refused_without_measuring_walls(self, sandbox: Sandbox) -> None:
        seen = sandbox.inspect([_grid(30)], filename="grid.stl", policy=Policy(shells_max=29))
        assert "mesh.shells" in {found.code for found in seen.reasons}
        assert seen.geometry is not None
        assert seen.geometry.wall_mm is None

    def test_are_measured_where_the_policy_lets_them_pass(self, sandbox: Sandbox) -> None:
        for policy in (Policy(), Policy(shells_max=29, severities={"mesh.shells": "warn"})):
            seen = sandbox.inspect([_grid(30)], filename="grid.stl", policy=policy)
            assert seen.geometry is not None
            assert seen.geometry.wall_mm is not None


class TestCrossingDepth:
    def test_is_the_policys(self, sandbox: Sandbox) -> None:
        """Two bodies that lie 0.05 mm in each other."""
        pair = shapes.joined(shapes.box(20, 20, 20), shapes.box(20, 20, 20, at=(19.95, 0.5, 0.5)))
        data = shapes.stl_binary(shapes.corners(pair))

        def codes(policy: Policy) -> set[str]:
            return {row.code for row in sandbox.inspect([data], filename="pair.stl", policy=policy).reasons}

        assert "mesh.overlapping_bodies" in codes(Policy())
        assert "mesh.overlapping_bodies" not in codes(Policy(crossing_mm_max=0.1))
        assert "mesh.overlapping_bodies" not in codes(Policy(overlaps="warn"))
