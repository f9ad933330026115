"""`partvault mesh diff` and `partvault mesh canonical`, as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.meshes import commands
from tests.mesh_tools.shapes import box, corners, joined, sphere, stl_ascii, stl_binary

RUNNER = CliRunner()


def written(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


class TestDiff:
    def test_answers_the_question_and_ends_by_it(self, tmp_path: Path) -> None:
        part, altered = corners(box()), corners(joined(box(), sphere(2)))
        master = written(tmp_path, "master.stl", stl_binary(part))
        for name, content, kind, code in (
            ("again.stl", stl_binary(part), "identical", 0),
            ("text.stl", stl_ascii(part[::-1]), "same", 0),
            ("larger.stl", stl_binary(part * 2), "rescaled", 1),
            ("altered.stl", stl_binary(altered), "altered", 1),
        ):
            done = RUNNER.invoke(commands, ["diff", master, written(tmp_path, name, content), "--json"])
            assert (json.loads(done.stdout)["kind"], done.exit_code) == (kind, code), name
        drawn = RUNNER.invoke(commands, ["diff", master, str(tmp_path / "altered.stl")])
        assert "altered" in drawn.stdout
        assert "places" in drawn.stdout

    def test_units_are_those_that_are_said(self, tmp_path: Path) -> None:
        master = written(tmp_path, "master.stl", stl_binary(corners(box())))
        inches = written(tmp_path, "inches.stl", stl_binary(corners(box()) / 25.4))
        assert RUNNER.invoke(commands, ["diff", master, inches]).exit_code == 1
        assert RUNNER.invoke(commands, ["diff", master, inches, "--units", "inch"]).exit_code == 0


class TestCanonical:
    def test_writes_one_file_for_one_shape(self, tmp_path: Path) -> None:
        part = corners(sphere())
        for name, content in (("a.stl", stl_binary(part, b"one")), ("b.stl", stl_ascii(part[::-1], "two"))):
            target = str(tmp_path / f"{name}.out")
            asked = ["canonical", written(tmp_path, name, content), "--out", target, "--json"]
            assert RUNNER.invoke(commands, asked).exit_code == 0
        assert (tmp_path / "a.stl.out").read_bytes() == (tmp_path / "b.stl.out").read_bytes()

    def test_tells_an_unsound_form_by_its_exit_code(self, tmp_path: Path) -> None:
        source = written(tmp_path, "open.stl", stl_binary(corners(box())[1:]))
        done = RUNNER.invoke(commands, ["canonical", source, "--json"])
        assert done.exit_code == 1
        assert json.loads(done.stdout)["sound"] is False
        assert (tmp_path / "open-canonical.stl").exists()

    def test_refuses_what_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(Exception, match=r"stl\.truncated"):
            RUNNER.invoke(
                commands, ["canonical", written(tmp_path, "cut.stl", bytes(83))], catch_exceptions=False
            )
