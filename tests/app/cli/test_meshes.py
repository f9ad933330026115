"""`partvault mesh`: needs no service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.cli.conftest import Command
from tests.app.toolpaths import MADE_FOR, square
from tests.mesh_tools import shapes
from tests.mesh_tools.toolpath.test_examine import plates


@pytest.fixture
def mesh(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys, "http://127.0.0.1:1", "none")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "a box.stl"
    path.write_bytes(shapes.stl_binary(shapes.corners(shapes.box())))
    return path


@pytest.fixture
def holed(tmp_path: Path) -> Path:
    path = tmp_path / "holed.stl"
    path.write_bytes(shapes.stl_binary(shapes.corners(shapes.box())[1:]))
    return path


@pytest.fixture
def toolpath(tmp_path: Path) -> Path:
    path = tmp_path / "part.gcode"
    path.write_bytes(square())
    return path


class TestCheck:
    def test_shows_a_table_of_several(self, mesh: Command, sound: Path, holed: Path) -> None:
        result = mesh.bare("mesh", "check", sound, holed)
        assert result.code == 1
        assert "1 of 2 pass" in result.out
        assert "mesh.open_edges" in result.out

    def test_takes_a_policy_from_a_file(self, mesh: Command, sound: Path, tmp_path: Path) -> None:
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps({"process": "PBF-LB", "build_volume_mm": [5, 5, 5]}))
        assert mesh.bare("mesh", "check", sound, "--policy", policy).code == 1
        assert mesh.bare("mesh", "check", sound, "--policy", policy, "--build-volume", "50x50x50").code == 0

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            ('{"proces": "MEX"}', "proces"),
            ('{"process": "X"}', "X"),
        ],
    )
    def test_names_what_is_wrong_in_a_policy(
        self, mesh: Command, sound: Path, tmp_path: Path, text: str, said: str
    ) -> None:
        policy = tmp_path / "policy.json"
        policy.write_text(text)
        result = mesh.bare("mesh", "check", sound, "--policy", policy)
        assert result.code == 2
        assert said in result.err

    def test_shows_what_a_toolpath_does(self, mesh: Command, toolpath: Path, tmp_path: Path) -> None:
        assert mesh.bare("mesh", "check", toolpath).code == 1
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps(MADE_FOR))
        result = mesh.bare("mesh", "check", toolpath, "--policy", policy)
        assert result.code == 0
        assert "gcode, 11 moves, 2 layers, 20 × 20 × 0.2 mm" in " ".join(result.out.split())


class TestSarif:
    def test_names_every_finding_with_rule_level_and_file(
        self, mesh: Command, sound: Path, holed: Path, tmp_path: Path
    ) -> None:
        mesh.bare("mesh", "check", sound, holed, "--sarif", tmp_path / "found.sarif")
        log = json.loads((tmp_path / "found.sarif").read_text())
        assert log["version"] == "2.1.0"
        (run,) = log["runs"]
        rules = run["tool"]["driver"]["rules"]
        assert {row["ruleId"] for row in run["results"]} == {"mesh.open_edges", "units.assumed"}
        for row in run["results"]:
            assert rules[row["ruleIndex"]]["id"] == row["ruleId"]
            place = row["locations"][0]["physicalLocation"]["artifactLocation"]
            assert run["artifacts"][place["index"]]["location"]["uri"] == place["uri"]
        (hole,) = [row for row in run["results"] if row["ruleId"] == "mesh.open_edges"]
        assert hole["level"] == "error"
        assert hole["occurrenceCount"] == 3
        assert len(hole["properties"]["place_mm"]) == 3
        assert "%20" in run["artifacts"][0]["location"]["uri"]
        assert len(run["artifacts"][0]["hashes"]["sha-256"]) == 64


class TestRender:
    def test_writes_beside_the_file(self, mesh: Command, sound: Path) -> None:
        result = mesh.bare("mesh", "render", sound, "--json")
        assert result.code == 0
        assert Path(result.json["file"]) == sound.with_name("a box-sheet.png")
        assert sound.with_name("a box-sheet.png").read_bytes().startswith(b"\x89PNG")

    def test_writes_where_it_is_told(self, mesh: Command, sound: Path, tmp_path: Path) -> None:
        out = tmp_path / "cut.png"
        result = mesh.bare("mesh", "render", sound, "--view", "section", "--axis", "z", "--at", 3, "-o", out)
        assert result.code == 0
        assert out.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize("view", ["thumbnail", "sheet", "findings", "section", "preview"])
    def test_draws_no_toolpath_and_says_why(self, mesh: Command, toolpath: Path, view: str) -> None:
        result = mesh.bare("mesh", "render", toolpath, "--view", view, "--json")
        assert result.code == 1
        error = result.json["error"]
        assert (error["kind"], "mesh check" in error["remedy"]) == ("format.toolpath", True)
        assert list(toolpath.parent.iterdir()) == [toolpath]

    @pytest.mark.parametrize("words", [("render",), ("canonical",)])
    def test_draws_no_model_that_lies_beside_a_toolpath(
        self, mesh: Command, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        path = tmp_path / "part.3mf"
        path.write_bytes(plates(square().decode()))
        result = mesh.bare("mesh", *words, path, "--json")
        assert (result.code, result.json["error"]["kind"]) == (1, "format.toolpath")

    def test_says_what_to_do_where_it_cannot(self, mesh: Command, sound: Path) -> None:
        result = mesh.bare("mesh", "render", sound, "--view", "section", "--at", 99, "--json")
        assert result.code == 1
        assert result.json["error"]["kind"] == "render.section"
        assert "within the part" in result.json["error"]["remedy"]
