"""Tests of the command's settings as a client."""

from __future__ import annotations

import json
import os
from pathlib import Path

from app.client_settings import ClientSettings


class TestRead:
    def test_takes_the_environment(self, tmp_path: Path) -> None:
        found = ClientSettings.read(
            {
                "PARTVAULT_URL": "http://a/",
                "PARTVAULT_API_KEY": " key\n",
                "PARTVAULT_ACCOUNT_FILE": "/k",
                "PARTVAULT_DATA_DIR": str(tmp_path),
            }
        )
        assert (found.url, found.account_file, found.data_dir) == ("http://a", Path("/k"), tmp_path)
        assert found.api_key is not None
        assert found.api_key.reveal() == "key"

    def test_lets_the_command_line_win(self) -> None:
        found = ClientSettings.read(
            {"PARTVAULT_URL": "http://a", "PARTVAULT_API_KEY": "x"}, url="http://b", api_key="y"
        )
        assert found.url == "http://b"
        assert found.api_key is not None
        assert found.api_key.reveal() == "y"

    def test_finds_the_service_of_the_data_folder(self, tmp_path: Path) -> None:
        said = {"url": "http://127.0.0.1:4711", "pid": os.getpid()}
        (tmp_path / "service.json").write_text(json.dumps(said))
        assert ClientSettings.read({"PARTVAULT_DATA_DIR": str(tmp_path)}).url == "http://127.0.0.1:4711"

    def test_does_not_trust_what_a_dead_service_left(self, tmp_path: Path) -> None:
        (tmp_path / "service.json").write_text(json.dumps({"url": "http://127.0.0.1:4711", "pid": 2**22 + 1}))
        assert ClientSettings.read({"PARTVAULT_DATA_DIR": str(tmp_path)}).url == "http://127.0.0.1:8000"

    def test_keeps_an_owners_keys_in_the_users_configuration(self, tmp_path: Path) -> None:
        found = ClientSettings.read({"XDG_CONFIG_HOME": str(tmp_path)})
        assert found.owner_dir == tmp_path / "partvault" / "owner"
        assert found.owner_keys_location == f"file:{tmp_path}/partvault/owner/keyring.json"
        for nowhere in ({}, {"XDG_CONFIG_HOME": "relative"}):
            assert ClientSettings.read(nowhere).owner_dir == Path.home() / ".config/partvault/owner"

    def test_lets_an_owner_name_folder_and_key_back_end(self, tmp_path: Path) -> None:
        said = {"PARTVAULT_OWNER_DIR": str(tmp_path), "PARTVAULT_OWNER_KEYS": "awskms:alias/mine"}
        found = ClientSettings.read(said)
        assert (found.owner_dir, found.owner_keys_location) == (tmp_path, "awskms:alias/mine")

    def test_shows_no_key(self) -> None:
        assert "secret" not in repr(ClientSettings.read({"PARTVAULT_API_KEY": "secret"}))


class TestOperatorKey:
    def test_is_the_data_folders(self, tmp_path: Path) -> None:
        settings = ClientSettings.read({"PARTVAULT_DATA_DIR": str(tmp_path)})
        assert settings.operator_key() is None
        (tmp_path / "operator.key").write_text("pv_x\n")
        key = settings.operator_key()
        assert key is not None
        assert key.reveal() == "pv_x"

    def test_gives_way_to_a_key_that_was_given(self, tmp_path: Path) -> None:
        (tmp_path / "operator.key").write_text("pv_x\n")
        key = ClientSettings.read(
            {"PARTVAULT_DATA_DIR": str(tmp_path), "PARTVAULT_API_KEY": "mine"}
        ).operator_key()
        assert key is not None
        assert key.reveal() == "mine"
