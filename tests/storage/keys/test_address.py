from __future__ import annotations

import sys
from pathlib import Path

import pytest

from storage.errors import KeyUnavailable, UriInvalid
from storage.keys import open_keys
from storage.keys.address import read_secret


def secret_file(folder: Path, content: str = "a-secret\n", mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(content)
    path.chmod(mode)
    return path


class TestReadSecret:
    def test_returns_the_line(self, tmp_path: Path) -> None:
        assert read_secret(secret_file(tmp_path)) == "a-secret"

    def test_refuses_a_file_open_to_others(self, tmp_path: Path) -> None:
        with pytest.raises(KeyUnavailable, match="chmod 600") as caught:
            read_secret(secret_file(tmp_path, mode=0o640))
        assert "a-secret" not in str(caught.value)

    def test_refuses_an_empty_file(self, tmp_path: Path) -> None:
        with pytest.raises(KeyUnavailable, match="empty"):
            read_secret(secret_file(tmp_path, "\n"))

    def test_says_what_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(KeyUnavailable, match="No such file"):
            read_secret(tmp_path / "absent")


class TestOpenKeys:
    def test_names_the_package_that_pkcs11_needs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pkcs11", None)
        with pytest.raises(KeyUnavailable, match="install it"):
            open_keys("pkcs11:/lib.so?token=t&key=k&pin_file=p")

    @pytest.mark.parametrize(
        "uri",
        [
            "vault:https://host/transit/key",
            "vault:https://host/key?token_file=t",
            "vault:ftp://host/transit/key?token_file=t",
            "vault:https://user:password@host/transit/key?token_file=t",
            "vault:https://host/transit/key?token_file=t&token_file=t",
            "vault:https://host/transit/key?token_file=",
            "vault:https://host/transit/key?token=hvs.x",
            "awskms:partvault",
            "awskms:alias/",
            "awskms:alias/a?colour=red",
            "pkcs11:",
            "pkcs11:/lib.so?token=t&key=k",
            "pkcs11:/lib.so?token=t&key=k&pin=1234",
            "pkcs11:?token=t&key=k&pin_file=p",
        ],
    )
    def test_refuses_a_malformed_address(self, uri: str) -> None:
        with pytest.raises(UriInvalid):
            open_keys(uri)
