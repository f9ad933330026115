"""Tests of PINs."""

from __future__ import annotations

from pathlib import Path

import pytest

from printer_agent.errors import AgentError
from printer_agent.keys.pin import Pin, pin_of_home, read_pin


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


class TestPin:
    def test_shows_nothing(self) -> None:
        pin = Pin("4711")
        assert (str(pin), repr(pin), f"{pin}", repr([pin])) == ("***", "***", "***", "[***]")

    def test_is_compared_by_its_text(self) -> None:
        assert Pin("1") == Pin("1")
        assert Pin("1") != Pin("2")
        assert Pin("1") != "1"


class TestReadPin:
    def test_reads_one_line(self, tmp_path: Path) -> None:
        assert read_pin(written(tmp_path / "pin", " 4711 \n")).reveal() == "4711"

    @pytest.mark.parametrize(
        ("text", "mode", "kind"),
        [
            ("\n", 0o600, "pin_missing"),
            ("4711", 0o640, "loose_permissions"),
            ("4711", 0o604, "loose_permissions"),
        ],
    )
    def test_refuses_a_file_that_is_empty_or_open_to_others(
        self, tmp_path: Path, text: str, mode: int, kind: str
    ) -> None:
        with pytest.raises(AgentError) as caught:
            read_pin(written(tmp_path / "pin", text, mode))
        assert caught.value.kind == kind
        assert "4711" not in f"{caught.value} {caught.value.remedy}"

    def test_says_which_file_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(AgentError, match="absent"):
            read_pin(tmp_path / "absent")


class TestPinOfHome:
    def test_is_none_without_the_file(self, tmp_path: Path) -> None:
        assert pin_of_home(tmp_path) is None
        written(tmp_path / "keys.pin", "1")
        assert pin_of_home(tmp_path) == Pin("1")
