"""`kill -9` of `partvault keys rotate` at random moments: the next run ends it, with one new version."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.app.custody.holding import Holding, holding

PATIENCE_S = 120.0


def rotate(folder: Path) -> subprocess.Popen[str]:
    """The command as the operator runs it, safe to repeat."""
    program = Path(sys.executable).with_name("partvault")
    command = [program, "keys", "rotate", "--from", "1", "--data-dir", folder, "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_when(folder: Path, reached: Callable[[], bool]) -> bool:
    """Kill a run at a moment; False where it ended before."""
    process = rotate(folder)
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        if process.poll() is not None:
            process.communicate()
            return False
        assert time.monotonic() < deadline
    process.kill()
    process.communicate()
    return True


def moments(held: Holding, wraps: int) -> list[Callable[[], bool]]:
    """As soon as it is written down; as soon as its version is there; and at four random numbers of wraps."""

    def moved(number: int) -> Callable[[], bool]:
        return lambda: held.under()["2"] >= number

    shares = sorted(random.sample(range(wraps // 20, wraps * 4 // 5), 4))
    return [
        lambda: bool(held.rotations()),
        lambda: held.keys.current_version() == "2",
        *(moved(number) for number in shares),
    ]


class TestRotate:
    @pytest.mark.parametrize("wraps", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
    def test_is_taken_up_where_it_was_killed(self, tmp_path: Path, wraps: int) -> None:
        folder = tmp_path / "data"
        with holding(folder, wraps) as held:
            ring = Path(held.keys.uri.removeprefix("file:"))
            half_done = 0
            for reached in moments(held, wraps):
                if not kill_when(folder, reached):
                    continue
                under = held.under()
                half_done += 0 < under["2"] < wraps
                assert under.total() == wraps
                assert held.unopened() == [], under
            assert half_done, "no run was killed half way"
            ended = rotate(folder)
            said, _ = ended.communicate(timeout=PATIENCE_S)
            assert ended.returncode == 0, said
            found = json.loads(said)
            assert (found["state"], found["to_version"], found["rewrapped"]) == ("done", "2", wraps)
            assert [row.id for row in held.rotations()] == [found["id"]]
            assert held.under() == {"2": wraps}
            assert sorted(json.loads(ring.read_text(encoding="utf-8"))["keys"]) == ["1", "2"]
            program = Path(sys.executable).with_name("partvault")
            command = [program, "keys", "destroy", "1", "--yes", "--data-dir", folder]
            subprocess.run(command, check=True, capture_output=True)
            assert held.keys.versions() == ["2"]
            assert held.unopened() == []
