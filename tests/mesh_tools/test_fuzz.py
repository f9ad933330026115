"""Mutated files of every format through the sandbox: no crash of the parent, no unsound part passes.

`PARTVAULT_FUZZ_S` sets how long the long campaign runs (seconds; 1800 when it is not set).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable

import pytest

from mesh_tools.sandbox import Sandbox
from tests.mesh_tools import shapes
from tests.mesh_tools.conftest import Gate
from tests.mesh_tools.fuzz import seeds
from tests.mesh_tools.fuzz.campaign import run, until
from tests.mesh_tools.fuzz.judge import objections
from tests.mesh_tools.fuzz.mutator import mutated_file
from tests.mesh_tools.shapes import Shape
from tests.mesh_tools.writers import WRITERS

_FILES = 1000
_CAMPAIGN_S = float(os.environ.get("PARTVAULT_FUZZ_S", "1800"))
_SEEDS = seeds.files()


def _dented(shape: Shape) -> Shape:
    return shape[0], shape[1][1:]


def _doubled(shape: Shape) -> Shape:
    return shape[0], shape[1][[*range(len(shape[1])), 0]]


class TestSeeds:
    @pytest.mark.parametrize("name", _SEEDS)
    def test_pass_and_are_judged_alike(self, gate: Gate, name: str) -> None:
        inspection = gate.inspect(_SEEDS[name], name)
        assert (inspection.verdict, inspection.reasons) == ("pass", ())
        assert inspection.geometry is not None
        assert objections(_SEEDS[name], inspection.format, inspection.geometry.volume_mm3) == []


class TestMutatedFile:
    def test_is_the_same_for_the_same_number(self) -> None:
        assert [mutated_file(number) for number in range(50)] == [
            mutated_file(number) for number in range(50)
        ]

    def test_is_mostly_another_for_another_number(self) -> None:
        assert len({mutated_file(number) for number in range(200)}) > 180


class TestJudge:
    """The second opinion must be able to object."""

    @pytest.mark.parametrize("name", WRITERS)
    @pytest.mark.parametrize("spoil", [_dented, _doubled, shapes.inverted])
    def test_objects_to_a_part_that_is_not_sound(self, name: str, spoil: Callable[[Shape], Shape]) -> None:
        data = WRITERS[name](spoil(shapes.box()))
        kind = {"part.stl": "stl-binary", "text.stl": "stl-ascii"}.get(name, name.partition(".")[2])
        assert objections(data, kind, 6000.0)

    @pytest.mark.parametrize(
        ("name", "plain", "mutated"), [("part.obj", b"f ", b"f\t"), ("part.off", b"\n", b"# x\n")]
    )
    def test_reads_what_the_formats_allow(self, name: str, plain: bytes, mutated: bytes) -> None:
        data = WRITERS[name](shapes.box()).replace(plain, mutated)
        assert objections(data, name.partition(".")[2], 6000.0) == []

    def test_objects_to_another_volume(self) -> None:
        assert objections(WRITERS["part.stl"](shapes.box()), "stl-binary", 6001.0)


class TestCampaign:
    def test_over_a_few_files_finds_nothing_wrong(self, sandbox: Sandbox) -> None:
        tally = run(sandbox, range(_FILES))
        assert tally.failures == {}
        assert tally.files == _FILES
        assert tally.seen["pass"] > _FILES // 20
        assert tally.seen["refuse"] > _FILES // 2

    @pytest.mark.slow
    def test_over_many_files_finds_nothing_wrong(self, sandbox: Sandbox) -> None:
        """Begins at another number each time; a failure names the number that makes its file again."""
        first = secrets.randbits(48)
        tally = run(sandbox, until(_CAMPAIGN_S, first))
        assert tally.failures == {}
        assert tally.files > 0
