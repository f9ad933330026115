"""Tests of `partvault keys`: what it says, asks and answers with."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.cli.conftest import Command, Result
from tests.app.custody.holding import Holding, holding


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Holding]:
    with holding(tmp_path / "data", 5) as made:
        yield made


@pytest.fixture
def keys(capsys: pytest.CaptureFixture[str], held: Holding, tmp_path: Path) -> Any:
    """`partvault keys …` on the data folder."""
    command = Command(capsys, "", "")

    def run(*words: str) -> Result:
        return command.bare("keys", *words, "--data-dir", tmp_path / "data")

    return run


def harm(held: Holding, numbers: range) -> None:
    for number in numbers:
        held.alter(number, blob=bytes(60))


class TestRotate:
    def test_tells_what_it_did(self, keys: Any) -> None:
        found = keys("rotate", "--json").json
        kept = {
            name: found[name] for name in ("from_version", "to_version", "state", "rewrapped", "complete")
        }
        assert kept == {
            "from_version": "1",
            "to_version": "2",
            "state": "done",
            "rewrapped": 5,
            "complete": True,
        }
        assert found["failed"] == []
        assert found["finished_at"].endswith("Z")

    def test_tells_people(self, keys: Any) -> None:
        result = keys("rotate")
        assert result.code == 0
        assert "rewrapped     5" in result.out

    def test_is_harmless_when_repeated_with_from(self, keys: Any, held: Holding) -> None:
        assert keys("rotate", "--from", "1", "--json").json == keys("rotate", "--from", "1", "--json").json
        assert held.keys.versions() == ["1", "2"]

    def test_names_what_does_not_open(self, keys: Any, held: Holding) -> None:
        harm(held, range(2, 3))
        result = keys("rotate", "--json")
        assert result.code == 1
        assert (result.json["complete"], result.json["unopened"]) == (False, 1)
        assert result.json["failed"] == [
            {
                "row": "wrapped_keys org_2 rev_000002 1 account",
                "key_version": "1",
                "kind": "wrong_context",
                "detail": "the wrapped key belongs to another object, or was altered",
            }
        ]

    def test_names_only_some_to_people(self, keys: Any, held: Holding) -> None:
        held.fill(25)
        harm(held, range(30))
        result = keys("rotate")
        assert result.code == 1
        assert "wrapped keys that do not open: 30" in result.out
        assert "and 10 more" in result.out
        assert "restore their rows from a backup" in result.out

    def test_refuses_with_a_remedy(self, keys: Any) -> None:
        result = keys("rotate", "--from", "9", "--json")
        assert result.code == 1
        assert result.json["error"]["kind"] == "conflict"
        assert "keys status" in result.json["error"]["remedy"]

    def test_leaves_stored_files_alone(self, keys: Any, tmp_path: Path) -> None:
        objects = tmp_path / "data" / "objects"
        objects.mkdir()
        for number in range(3):
            (objects / f"{number}").write_bytes(os.urandom(1000))
        before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in objects.iterdir()}
        assert keys("rotate").code == 0
        assert keys("destroy", "1", "--yes").code == 0
        assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in objects.iterdir()} == before


class TestStatus:
    def test_shows_versions_and_a_rotation_under_way(self, keys: Any, held: Holding) -> None:
        harm(held, range(1))
        keys("rotate")
        result = keys("status", "--json")
        assert result.code == 0
        assert [(each["version"], each["state"], each["wraps"]) for each in result.json["versions"]] == [
            ("1", "old", 1),
            ("2", "current", 4),
        ]
        assert (result.json["rotation"]["state"], result.json["rotation"]["unopened"]) == ("rewrapping", 1)
        assert "run `partvault keys rotate` to finish it" in keys("status").out

    def test_ends_with_1_where_a_version_is_lost(self, keys: Any, held: Holding) -> None:
        held.keys.rotate()
        held.keys.destroy("1")
        result = keys("status", "--json")
        assert (result.code, result.json["ok"]) == (1, False)


class TestDestroy:
    def test_asks_for_the_version(self, keys: Any, held: Holding, monkeypatch: pytest.MonkeyPatch) -> None:
        keys("rotate")
        monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
        refused = keys("destroy", "1")
        assert (refused.code, held.keys.versions()) == (1, ["1", "2"])
        assert "nothing was destroyed" in refused.err
        monkeypatch.setattr("sys.stdin", io.StringIO("1\n"))
        done = keys("destroy", "1", "--json")
        assert (done.code, held.keys.versions()) == (0, ["2"])
        assert json.loads(done.out)["verified"] == 5

    def test_does_not_ask_in_vain(self, keys: Any) -> None:
        refused = keys("destroy", "1", "--json")
        assert refused.code == 1
        assert refused.json["error"]["message"] == "version 1 is current"

    def test_names_what_does_not_open(self, keys: Any, held: Holding) -> None:
        keys("rotate")
        harm(held, range(2, 3))
        refused = keys("destroy", "1", "--yes", "--json")
        assert refused.code == 1
        (reason,) = refused.json["error"]["reasons"]
        assert (reason["code"], "rev_000002" in reason["message"]) == ("wrong_context", True)
        assert held.keys.versions() == ["1", "2"]


class TestDataFolder:
    def test_without_an_inventory_gets_none_made(self, keys: Any, tmp_path: Path) -> None:
        (tmp_path / "data" / "partvault.sqlite").unlink()
        refused = keys("status", "--json")
        assert (refused.code, refused.json["error"]["kind"]) == (2, "no_data_folder")
        assert not (tmp_path / "data" / "partvault.sqlite").exists()

    def test_without_a_keyring_gets_none_made(self, keys: Any, tmp_path: Path) -> None:
        (tmp_path / "data" / "keyring.json").unlink()
        refused = keys("rotate", "--json")
        assert (refused.code, refused.json["error"]["kind"]) == (2, "no_keyring")
        assert not (tmp_path / "data" / "keyring.json").exists()
