from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from storage.errors import KeyUnavailable, WrongContext
from storage.keys import open_keys
from storage.keys.awskms import CURRENT_FRESH_S, KmsKeys
from storage.keys.base import KeyBackend
from tests.conformance.key_backend import CONTEXT, KeyBackendContract

moto = pytest.importorskip("moto", reason="moto is not installed: add moto to the environment")


@pytest.fixture(scope="module")
def kms() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, moto.mock_aws():
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield boto3.client("kms", region_name="eu-central-1")


@pytest.fixture
def alias(kms: Any) -> str:
    return fresh_alias(kms)


def fresh_alias(kms: Any) -> str:
    """An alias with one version, beside one that only looks like it."""
    name = f"alias/{secrets.token_hex(8)}"
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"{name}-v1", TargetKeyId=key)
    kms.create_alias(AliasName=f"{name}-variant-v9", TargetKeyId=key)
    return name


class TestKmsKeys(KeyBackendContract):
    altered = (WrongContext, KeyUnavailable)  # the stand-in finds its key by the blob's first bytes

    @pytest.fixture
    def keys(self, kms: Any, alias: str) -> KeyBackend:
        return KmsKeys(kms, alias)

    @pytest.fixture
    def stranger(self, kms: Any) -> KeyBackend:
        return KmsKeys(kms, fresh_alias(kms))

    def test_opens_by_address(self, keys: KeyBackend, alias: str) -> None:
        key, wrapped = keys.generate(CONTEXT)
        again = open_keys(f"awskms:{alias}?region=eu-central-1")
        assert again.uri == keys.uri == f"awskms:{alias}"
        assert again.unwrap(wrapped, CONTEXT) == key

    def test_closes_a_destroyed_key(self, keys: KeyBackend, kms: Any, alias: str) -> None:
        key = kms.describe_key(KeyId=f"{alias}-v1")["KeyMetadata"]["KeyId"]
        keys.rotate()
        keys.destroy("1")
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"

    def test_finishes_a_destruction_that_stopped_half_way(
        self, keys: KeyBackend, kms: Any, alias: str
    ) -> None:
        keys.rotate()
        kms.schedule_key_deletion(KeyId=kms.describe_key(KeyId=f"{alias}-v1")["KeyMetadata"]["KeyId"])
        keys.destroy("1")
        assert keys.versions() == ["2"]


class TestCurrent:
    def test_notices_anothers_rotation_after_a_while(self, kms: Any, alias: str) -> None:
        now = 0.0
        ours, theirs = KmsKeys(kms, alias, lambda: now), KmsKeys(kms, alias)
        assert ours.generate(CONTEXT)[1].version == "1"
        theirs.rotate()
        assert ours.generate(CONTEXT)[1].version == "1"
        now = CURRENT_FRESH_S + 1
        assert ours.generate(CONTEXT)[1].version == "2"

    def test_asks_for_a_first_key(self, kms: Any) -> None:
        with pytest.raises(KeyUnavailable, match="create a key with that alias"):
            KmsKeys(kms, "alias/nothing").current_version()


class TestRotate:
    def test_leaves_no_key_behind_when_another_was_faster(self, kms: Any, alias: str) -> None:
        keys, other = KmsKeys(kms, alias), KmsKeys(kms, alias)
        before = {item["KeyId"] for item in kms.list_keys()["Keys"]}
        raced: list[str] = []

        def race(**_: object) -> None:
            if not raced:
                raced.append("2")
                other.rotate()

        kms.meta.events.register("before-call.kms.CreateAlias", race)
        with pytest.raises(KeyUnavailable, match="AlreadyExists"):
            keys.rotate()
        made = {item["KeyId"] for item in kms.list_keys()["Keys"]} - before
        states = [kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in made]
        assert sorted(states) == ["Enabled", "PendingDeletion"]
        assert keys.current_version() == "2"


class TestRefusals:
    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("InvalidCiphertextException", WrongContext),
            ("IncorrectKeyException", WrongContext),
            ("AccessDeniedException", KeyUnavailable),
            ("KMSInvalidStateException", KeyUnavailable),
        ],
    )
    def test_have_a_named_reason(self, kms: Any, alias: str, code: str, error: type[Exception]) -> None:
        _, wrapped = KmsKeys(kms, alias).generate(CONTEXT)
        client = boto3.client("kms", region_name="eu-central-1")

        def refuse(**_: object) -> None:
            raise ClientError({"Error": {"Code": code}}, "Decrypt")

        client.meta.events.register("before-call.kms.Decrypt", refuse)
        with pytest.raises(error):
            KmsKeys(client, alias).unwrap(wrapped, CONTEXT)


class TestUnreachable:
    def test_says_so(self, kms: Any) -> None:
        def unreachable(**_: object) -> None:
            raise EndpointConnectionError(endpoint_url="https://kms.example")

        client = boto3.client("kms", region_name="eu-central-1")
        client.meta.events.register("before-call.kms", unreachable)
        with pytest.raises(KeyUnavailable, match="did not answer"):
            KmsKeys(client, "alias/partvault").versions()
