"""PrusaSlicer behind its walls: real slices, the gate's verdict on them, and what the walls keep in."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mesh_tools.sandbox import Sandbox
from mesh_tools.toolpath.machine import MachineLimits
from printer_agent.errors import GateRefused
from printer_agent.machine import Machine
from printer_agent.slicing.profile import profile
from printer_agent.slicing.prusa import PrusaSlicer, SlicerLimits
from printer_agent.slicing.toolpath import Toolpaths
from tests.e2e.parts import box

RECIPE = {"process": "MEX", "material": "PETG", "parameters": {"infill_percent": 10}}
MACHINE = Machine("W", (250, 210, 200), ("MEX",), limits=MachineLimits(280, 110, 200, 5000))
MEMORY = Path("/dev/shm")
REPORT = """#!/bin/sh
{ id -u; cut -d: -f1 /proc/net/dev; env; grep -E 'NoNewPrivs|CapBnd' /proc/self/status; } > said.txt
{ stat -c %a .; cat said.txt; } > out.gcode
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def slicer() -> PrusaSlicer:
    slicer = PrusaSlicer()
    try:
        slicer.check()
    except GateRefused as error:
        pytest.skip(f"{error.message}: install Debian's prusa-slicer")
    return slicer


def program(folder: Path, text: str) -> str:
    """A program in the slicer's place, where its user can reach it."""
    path = folder / "slicer"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="partvault-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="partvault-test-", dir=MEMORY))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


class TestSlice:
    def test_gives_a_toolpath_that_the_gate_passes(self, slicer: PrusaSlicer, sandbox: Sandbox) -> None:
        gcode = Toolpaths(slicer, sandbox, MACHINE).of_mesh([box()], "cap.stl", RECIPE)
        assert b"\nG28\n" in gcode
        assert gcode.count(b"\nG1 ") > 500

    @pytest.mark.parametrize("size_mm", [(60, 50, 12), (40, 40, 10), (60, 50, 12.5)])
    def test_reads_boxes_that_look_like_text(
        self, slicer: PrusaSlicer, sandbox: Sandbox, size_mm: tuple[float, float, float]
    ) -> None:
        part = box(size_mm)
        gcode = Toolpaths(slicer, sandbox, MACHINE).of_mesh([part], "cap.stl", RECIPE)
        assert f"\n;Z:{size_mm[2]:g}\n".encode() in gcode or size_mm[2] % 0.2

    @pytest.mark.parametrize(("orientation", "layers"), [(None, 20), ([1, 0, 0], 60), ([0, -1, 0], 40)])
    def test_stands_the_part_as_the_recipe_says(
        self, slicer: PrusaSlicer, sandbox: Sandbox, orientation: list[int] | None, layers: int
    ) -> None:
        recipe = {**RECIPE, "orientation": orientation}
        gcode = Toolpaths(slicer, sandbox, MACHINE).of_mesh([box((12, 8, 4))], "cap.stl", recipe)
        assert gcode.count(b"\n;LAYER_CHANGE\n") == layers

    def test_turns_the_part_across_a_machine_it_fits_only_so(
        self, slicer: PrusaSlicer, sandbox: Sandbox
    ) -> None:
        narrow = replace(MACHINE, build_volume_mm=(120, 40, 40))
        part = [box((20, 100, 5))]
        toolpaths = Toolpaths(slicer, sandbox, narrow)
        assert toolpaths.of_mesh(part, "cap.stl", RECIPE).count(b"\n;LAYER_CHANGE\n") == 25
        with pytest.raises(GateRefused):
            toolpaths.of_mesh(part, "cap.stl", {**RECIPE, "rotations": "none"})

    def test_gives_the_gate_what_another_machine_cannot(self, slicer: PrusaSlicer, sandbox: Sandbox) -> None:
        class Hotter:
            check = staticmethod(slicer.check)

            @staticmethod
            def slice(stl: bytes, profile: str) -> bytes:
                return slicer.slice(stl, profile.replace("temperature = 240", "temperature = 290"))

        with pytest.raises(GateRefused, match=r"toolpath\.temperature"):
            Toolpaths(Hotter(), sandbox, MACHINE).of_mesh([box()], "cap.stl", RECIPE)

    def test_says_why_it_cannot(self, slicer: PrusaSlicer) -> None:
        with pytest.raises(GateRefused) as caught:
            slicer.slice(b"no mesh", profile(RECIPE, MACHINE))
        assert caught.value.kind == "slicer"


class TestWalls:
    def test_are_around_the_process(self, slicer: PrusaSlicer, open_folder: Path) -> None:
        said = PrusaSlicer(program(open_folder, REPORT)).slice(b"stl", "ini").decode()
        assert said.startswith("700\n")
        lines = said.splitlines()
        devices = {"lo", *(name for _, name in socket.if_nameindex())}
        assert [line.strip() for line in lines if line.strip() in devices] == ["lo"]
        assert "NoNewPrivs:\t1" in lines
        environment = {line.partition("=")[0] for line in lines if "=" in line}
        assert environment <= {"HOME", "TMPDIR", "PATH", "LC_ALL", "PWD", "OLDPWD", "_", "SHLVL"}
        if os.geteuid() == 0:
            assert "65534" in lines
            assert "CapBnd:\t0000000000000000" in lines

    def test_leave_nothing_behind(self, slicer: PrusaSlicer, memory: Path) -> None:
        PrusaSlicer(folder=memory).slice(box(), profile(RECIPE, MACHINE))
        assert list(memory.iterdir()) == []

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("#!/bin/sh\nexit 3\n", "ended with 3"),
            ("#!/bin/sh\nexit 0\n", "left no G-code"),
            ("#!/bin/sh\nln -s /etc/passwd out.gcode\n", "left no G-code"),
            ("#!/bin/sh\nmkfifo out.gcode\n", "no plain file"),
            ("#!/bin/sh\nsleep 60\n", "longer than 2 s"),
            ("#!/bin/sh\ndd if=/dev/zero of=out.gcode bs=1M count=8\n", "ended with"),
        ],
    )
    def test_hold_against_a_hostile_slicer(
        self, slicer: PrusaSlicer, open_folder: Path, memory: Path, text: str, reason: str
    ) -> None:
        limits = SlicerLimits(wall_s_max=2, output_bytes_max=1 << 20)
        with pytest.raises(GateRefused, match=reason):
            PrusaSlicer(program(open_folder, text), limits, memory).slice(b"stl", "ini")
        assert list(memory.iterdir()) == []

    def test_say_when_there_is_no_slicer(self) -> None:
        with pytest.raises(GateRefused, match="no-such-slicer is not installed"):
            PrusaSlicer("no-such-slicer").check()
