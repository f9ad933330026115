from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.errors import KeyUnavailable
from storage.keys import open_keys
from storage.keys.base import KeyBackend
from storage.keys.pkcs11 import Pkcs11Keys
from tests.conformance.key_backend import CONTEXT, KeyBackendContract

PIN = "1234-pin"
MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed: add it to the environment")


@dataclass(frozen=True)
class Token:
    module: str
    label: str
    pin_file: Path

    def address(self, name: str) -> str:
        return f"pkcs11:{self.module}?token={self.label}&key={name}&pin_file={self.pin_file}"


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """A fresh SoftHSM token; its library reads SOFTHSM2_CONF once for each process."""
    module = os.environ.get("SOFTHSM2_MODULE") or next(
        (path for path in MODULES if Path(path).exists()), None
    )
    tool = os.environ.get("SOFTHSM2_UTIL") or shutil.which("softhsm2-util")
    if module is None or tool is None:
        pytest.skip("SoftHSM is not installed: install Debian's softhsm2")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")
    pin_file = folder / "pin"
    pin_file.write_text(PIN)
    pin_file.chmod(0o600)
    command = [
        tool,
        "--module",
        module,
        "--init-token",
        "--free",
        "--label",
        "vault",
        "--pin",
        PIN,
        "--so-pin",
        "0000",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return Token(module, "vault", pin_file)


@pytest.fixture(scope="session")
def opened(token: Token) -> Pkcs11Keys:
    """The process's one login to the token."""
    keys = open_keys(token.address("first"))
    assert isinstance(keys, Pkcs11Keys)
    return keys


def fresh_keys(opened: Pkcs11Keys) -> Pkcs11Keys:
    keys = Pkcs11Keys(pkcs11, opened._session, secrets.token_hex(8))
    keys.rotate()
    return keys


class TestPkcs11Keys(KeyBackendContract):
    @pytest.fixture
    def keys(self, opened: Pkcs11Keys) -> KeyBackend:
        return fresh_keys(opened)

    @pytest.fixture
    def stranger(self, opened: Pkcs11Keys) -> KeyBackend:
        return fresh_keys(opened)

    def test_makes_its_first_key(self, opened: Pkcs11Keys) -> None:
        assert opened.uri == "pkcs11:first"
        assert opened.versions() == ["1"]

    def test_opens_twice_in_one_process(self, opened: Pkcs11Keys, token: Token) -> None:
        key, wrapped = opened.generate(CONTEXT)
        assert open_keys(token.address("first")).unwrap(wrapped, CONTEXT) == key

    def test_never_lets_a_key_out(self, opened: Pkcs11Keys) -> None:
        key = opened._held()[1]
        with pytest.raises(pkcs11.PKCS11Error):
            key[pkcs11.Attribute.VALUE]

    def test_serves_threads(self, keys: KeyBackend) -> None:
        def round_trip(_: int) -> bool:
            key, wrapped = keys.generate(CONTEXT)
            return keys.unwrap(wrapped, CONTEXT) == key

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(round_trip, range(200)))

    def test_asks_for_a_first_key(self, opened: Pkcs11Keys) -> None:
        with pytest.raises(KeyUnavailable, match="rotate once"):
            Pkcs11Keys(pkcs11, opened._session, "nothing").current_version()


class TestFailures:
    def test_says_when_the_token_fails(self, opened: Pkcs11Keys) -> None:
        class Removed:
            def get_objects(self, _: object) -> Any:
                raise pkcs11.exceptions.DeviceRemoved

        with pytest.raises(KeyUnavailable, match="DeviceRemoved"):
            Pkcs11Keys(pkcs11, Removed(), "any").versions()

    def test_says_which_token_does_not_open(self, token: Token, opened: Pkcs11Keys) -> None:
        with pytest.raises(KeyUnavailable, match="'absent' does not open"):
            open_keys(Token(token.module, "absent", token.pin_file).address("k"))

    def test_says_which_module_does_not_load(self, token: Token) -> None:
        with pytest.raises(KeyUnavailable, match="does not open"):
            open_keys(Token("/absent.so", "vault", token.pin_file).address("k"))
