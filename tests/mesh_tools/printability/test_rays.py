from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mesh_tools.gate import Policy
from mesh_tools.limits import Limits
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate
from tests.mesh_tools.printability import bodies

_PLATE = shapes.stl_binary(shapes.corners(bodies.turned(shapes.box(0.5, 40, 50), 1)))

_CODE = """
import os
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
from mesh_tools.printability import rays
before = os.sched_getaffinity(0)
rays.settle()
assert os.sched_getaffinity(0) == before
from tests.mesh_tools import shapes
from tests.mesh_tools.printability.bodies import judged
assert judged(shapes.sphere(10, 300, 300)).geometry.wall_mm
print(len(os.listdir("/proc/self/task")))
"""


class TestSettle:
    @pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor makes no threads anyway")
    def test_keeps_a_large_tree_from_making_threads(self) -> None:
        root = Path(__file__).parents[3]
        done = subprocess.run(
            [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, cwd=root
        )
        assert done.stdout.strip() == "1"


class TestInTheSandbox:
    def test_measures_in_the_confined_child(self, gate: Gate) -> None:
        seen = gate.inspect(_PLATE, policy=Policy(wall_mm_min=1.0))
        assert seen.geometry is not None
        assert seen.geometry.wall_mm == pytest.approx((0.5, 0.5), abs=1e-4)
        assert {found.code for found in seen.reasons} == {"wall.thin"}

    def test_measures_the_same_again(self, gate: Gate) -> None:
        data = shapes.stl_binary(shapes.corners(bodies.turned(shapes.torus(12, 4, 60, 30), 2)))
        assert gate.inspect(data).geometry == gate.inspect(data).geometry

    def test_leaves_the_server_without_threads(self, gate: Gate) -> None:
        gate.inspect(_PLATE)
        assert gate.sandbox.server_pid is not None
        assert psutil.Process(gate.sandbox.server_pid).num_threads() == 1

    @pytest.mark.parametrize("mebibytes", [64, 112])
    def test_refuses_what_there_is_too_little_memory_for(self, mebibytes: int) -> None:
        data = shapes.stl_binary(shapes.corners(shapes.sphere(10, 200, 200)))
        limits = Limits(memory_base_bytes=mebibytes << 20, memory_per_input_byte=0)
        with Sandbox(limits) as small:
            seen = small.inspect([data], filename="ball.stl", policy=Policy(), pictures=False)
        assert [found.code for found in seen.reasons] == ["sandbox.memory_limit"]

    def test_fits_a_build_volume_in_the_confined_child(self, gate: Gate) -> None:
        data = shapes.stl_binary(shapes.corners(bodies.turned(shapes.box(10, 20, 30), 3)))
        policy = Policy(build_volume_mm=(11, 21, 31), rotations="any")
        assert "build.turned" in {found.code for found in gate.inspect(data, policy=policy).findings}
