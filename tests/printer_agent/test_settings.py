"""Tests of the agent's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from printer_agent.errors import AgentError, SettingsError
from printer_agent.keys import Pin
from printer_agent.settings import Settings


class TestRead:
    def test_takes_the_environment(self) -> None:
        found = Settings.read({"PARTVAULT_PRINTER_HOME": "/h", "PARTVAULT_PRINTER_REDEEM_TIMEOUT_S": "3.5"})
        assert (found.home, found.watch, found.redeem_timeout_s) == (Path("/h"), Path("/h/watch"), 3.5)

    def test_lets_the_command_line_win(self) -> None:
        found = Settings.read(
            {"PARTVAULT_PRINTER_HOME": "/h", "PARTVAULT_PRINTER_WATCH": "/w"}, home=Path("/x")
        )
        assert (found.home, found.watch) == (Path("/x"), Path("/w"))

    @pytest.mark.parametrize("value", ["", "0", "-1", "soon", "inf", "nan"])
    def test_refuses_what_is_no_positive_number(self, value: str) -> None:
        with pytest.raises(SettingsError, match="FILE_BYTES_MAX"):
            Settings.read({"PARTVAULT_PRINTER_FILE_BYTES_MAX": value})


class TestKeysPin:
    def test_comes_from_a_variable_or_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "pin"
        path.write_text("4711\n")
        path.chmod(0o600)
        named = Settings.read({"PARTVAULT_PRINTER_KEYS_PIN_FILE": str(path)}, home=tmp_path)
        given = Settings.read({"PARTVAULT_PRINTER_KEYS_PIN": "4711"}, home=tmp_path)
        assert named.keys_pin == given.keys_pin == Pin("4711")
        assert "4711" not in repr(given)
        assert Settings.read({}, home=tmp_path).keys_pin is None

    def test_is_refused_in_both(self, tmp_path: Path) -> None:
        both = {"PARTVAULT_PRINTER_KEYS_PIN_FILE": str(tmp_path / "pin"), "PARTVAULT_PRINTER_KEYS_PIN": "1"}
        with pytest.raises(SettingsError, match="both set"):
            Settings.read(both, home=tmp_path)

    def test_is_refused_where_others_may_read_it(self, tmp_path: Path) -> None:
        (tmp_path / "pin").write_text("4711")
        (tmp_path / "pin").chmod(0o644)
        with pytest.raises(AgentError) as caught:
            Settings.read({"PARTVAULT_PRINTER_KEYS_PIN_FILE": str(tmp_path / "pin")}, home=tmp_path)
        assert caught.value.kind == "loose_permissions"
