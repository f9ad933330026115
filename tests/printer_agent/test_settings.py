"""Tests of the agent's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from printer_agent.errors import SettingsError
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
