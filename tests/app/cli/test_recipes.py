"""Tests of what is written on a command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cli.failures import CliError, Exit
from app.cli.recipes import json_file, moment, pairs, rfc3339, volume


class TestPairs:
    def test_takes_json_and_text(self) -> None:
        assert pairs(["a=1", "b=true", "c=PLA", 'd={"x":2}', "e=", "f=a=b"], "-p") == {
            "a": 1,
            "b": True,
            "c": "PLA",
            "d": {"x": 2},
            "e": "",
            "f": "a=b",
        }

    @pytest.mark.parametrize("text", ["a", "=1", ""])
    def test_refuses_what_is_no_pair(self, text: str) -> None:
        with pytest.raises(CliError) as caught:
            pairs([text], "--term")
        assert (caught.value.exit_code, "--term" in caught.value.message) == (Exit.UNUSABLE, True)


class TestVolume:
    @pytest.mark.parametrize("text", ["250x210x220", "250X210X220", "250×210×220", "250.0x210x2.2e2"])
    def test_takes_three_lengths(self, text: str) -> None:
        assert volume(text) == [250.0, 210.0, 220.0]

    @pytest.mark.parametrize("text", ["", "1x2", "1x2x3x4", "axbxc", "0x1x1", "-1x1x1", "infx1x1", "nanx1x1"])
    def test_refuses_anything_else(self, text: str) -> None:
        with pytest.raises(CliError):
            volume(text)


class TestMoment:
    @pytest.mark.parametrize(
        "text", ["2027-01-31T12:00:00Z", "2027-01-31T13:00:00+01:00", "2027-01-31T12:00:00.9"]
    )
    def test_takes_rfc_3339(self, text: str) -> None:
        assert rfc3339(moment(text, "--starts")) == "2027-01-31T12:00:00Z"

    @pytest.mark.parametrize(
        ("text", "later"),
        [("now", 0), ("+30d", 2_592_000), ("+1.5h", 5400), ("+15m", 900), ("+9s", 9)],
    )
    def test_takes_a_time_from_now(self, text: str, later: int) -> None:
        gone = moment(text, "--starts") - datetime.now(UTC) - timedelta(seconds=later)
        assert abs(gone.total_seconds()) < 5

    @pytest.mark.parametrize("text", ["", "soon", "+d", "+1y", "+1e999d", "2027-13-01"])
    def test_refuses_what_is_no_time(self, text: str) -> None:
        with pytest.raises(CliError, match="--expires"):
            moment(text, "--expires")


class TestJsonFile:
    @pytest.mark.parametrize("content", ["", "[]", "7", "{"])
    def test_refuses_what_is_no_object(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "a").write_text(content)
        with pytest.raises(CliError):
            json_file(tmp_path / "a")
