"""Keys in AWS KMS: one customer key for each version, found by numbered aliases.

`awskms:alias/partvault` uses the highest of `alias/partvault-v1`, `alias/partvault-v2`, … for new wraps. The
EncryptionContext names the object, the alias and its number, so KMS itself refuses another of each and logs
them with every use.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable, UriInvalid, WrongContext
from storage.keys.address import split_options
from storage.keys.base import WrappedKey
from storage.secret import DataKey

CURRENT_FRESH_S = 60.0
"""How long a rotation by another process may go unnoticed."""

DELETION_WINDOW_DAYS = 7
"""The shortest time KMS lets pass between `destroy`, which closes the key at once, and its end."""

_VERSION = re.compile(r"[1-9][0-9]*", re.ASCII)
_FOREIGN = {"InvalidCiphertextException", "IncorrectKeyException"}
_PLACE = re.compile(r"alias/[A-Za-z0-9/_-]{1,200}")


class KmsKeys:
    """The customer keys behind `alias`-v1, -v2, …; see `KeyBackend`. `client` is a boto3 KMS client."""

    def __init__(self, client: Any, alias: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._alias = alias
        self._clock = clock
        self._known: tuple[float, str] | None = None

    @property
    def uri(self) -> str:
        """`awskms:` and the alias without its number."""
        return f"awskms:{self._alias}"

    def generate(self, context: ObjectContext) -> tuple[DataKey, WrappedKey]:
        """Let KMS make the data key."""
        version = self._current()
        with self._reported():
            answer = self._client.generate_data_key(
                KeyId=self._key(version), KeySpec="AES_256", EncryptionContext=self._bound(version, context)
            )
        return DataKey(answer["Plaintext"]), WrappedKey(self._alias, version, answer["CiphertextBlob"])

    def wrap(self, secret: DataKey, context: ObjectContext) -> WrappedKey:
        """Encrypt under the current key."""
        version = self._current()
        with self._reported():
            answer = self._client.encrypt(
                KeyId=self._key(version),
                Plaintext=secret.reveal(),
                EncryptionContext=self._bound(version, context),
            )
        return WrappedKey(self._alias, version, answer["CiphertextBlob"])

    def unwrap(self, wrapped: WrappedKey, context: ObjectContext) -> DataKey:
        """Decrypt under the key the wrap names."""
        self._check(wrapped)
        with self._reported():
            answer = self._client.decrypt(
                KeyId=self._key(wrapped.version),
                CiphertextBlob=wrapped.blob,
                EncryptionContext=self._bound(wrapped.version, context),
            )
        return DataKey(answer["Plaintext"])

    def rewrap(self, wrapped: WrappedKey, context: ObjectContext) -> WrappedKey:
        """Re-encrypt inside KMS; the data key does not leave it."""
        self._check(wrapped)
        current = self.current_version()
        with self._reported():
            answer = self._client.re_encrypt(
                CiphertextBlob=wrapped.blob,
                SourceKeyId=self._key(wrapped.version),
                SourceEncryptionContext=self._bound(wrapped.version, context),
                DestinationKeyId=self._key(current),
                DestinationEncryptionContext=self._bound(current, context),
            )
        renewed = WrappedKey(self._alias, current, answer["CiphertextBlob"])
        return wrapped if current == wrapped.version else renewed

    def current_version(self) -> str:
        """Return the highest number with an alias."""
        version = self.versions()[-1]
        self._known = self._clock(), version
        return version

    def versions(self) -> Sequence[str]:
        """List the numbered aliases; raises `KeyUnavailable` where there is none yet."""
        numbered = re.compile(re.escape(self._alias) + r"-v([1-9][0-9]*)")
        with self._reported():
            pages = self._client.get_paginator("list_aliases").paginate()
            names = [item["AliasName"] for page in pages for item in page["Aliases"]]
        matches = [match for name in names if (match := numbered.fullmatch(name))]
        if not matches:
            raise KeyUnavailable(f"KMS holds no {self._key('1')}; create a key with that alias first")
        return [str(number) for number in sorted(int(match[1]) for match in matches)]

    def rotate(self) -> str:
        """Create a customer key and the next alias for it."""
        version = str(int(self.current_version()) + 1)
        with self._reported():
            key = self._client.create_key(Description=f"PartVault {self._key(version)}")["KeyMetadata"][
                "KeyId"
            ]
            try:
                self._client.create_alias(AliasName=self._key(version), TargetKeyId=key)
            except (ClientError, BotoCoreError):
                self._client.schedule_key_deletion(KeyId=key, PendingWindowInDays=DELETION_WINDOW_DAYS)
                raise
        return self.current_version()

    def destroy(self, version: str) -> None:
        """Schedule the customer key's deletion, which closes it at once, and take its alias away.

        A repeat after a stop between the two does the second.
        """
        held = self.versions()
        if version not in held or version == held[-1]:
            raise KeyUnavailable(f"version {version!r} is current or unknown; {self.uri} holds {list(held)}")
        with self._reported():
            key = self._client.describe_key(KeyId=self._key(version))["KeyMetadata"]
            if key["KeyState"] != "PendingDeletion":
                self._client.schedule_key_deletion(
                    KeyId=key["KeyId"], PendingWindowInDays=DELETION_WINDOW_DAYS
                )
            self._client.delete_alias(AliasName=self._key(version))

    def _key(self, version: str) -> str:
        return f"{self._alias}-v{version}"

    def _bound(self, version: str, context: ObjectContext) -> dict[str, str]:
        """Return what KMS authenticates besides the key: which alias and number made it, and for what."""
        names = {"format": "partvault/wrapped-key/v1", "keyring": self._alias, "key-version": version}
        fields = names | {name: str(value) for name, value in context.to_json().items()}
        return {f"partvault:{name}": value for name, value in fields.items()}

    def _check(self, wrapped: WrappedKey) -> None:
        if wrapped.keyring != self._alias or not _VERSION.fullmatch(wrapped.version):
            raise KeyUnavailable(
                f"wrapped under {wrapped.keyring!r}, version {wrapped.version!r}; this service is {self.uri}"
            )
        if not wrapped.blob:
            raise WrongContext("the wrapped key is empty; restore its row")

    def _current(self) -> str:
        if self._known is None or self._clock() - self._known[0] > CURRENT_FRESH_S:
            return self.current_version()
        return self._known[1]

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _FOREIGN:
                raise WrongContext("the wrapped key belongs to another object, or was altered") from None
            raise KeyUnavailable(f"{self.uri} refused: {code}; check the key's state and policy") from None
        except BotoCoreError as error:
            raise KeyUnavailable(f"{self.uri} did not answer ({type(error).__name__}); retry") from None


def open_kms(uri: str, rest: str) -> KmsKeys:
    """Open `awskms:alias/NAME[?region=NAME&endpoint=URL]`; raises `UriInvalid`."""
    place, options = split_options(uri, rest, frozenset({"region", "endpoint"}))
    if not _PLACE.fullmatch(place):
        raise UriInvalid(f"key back end {uri!r} is not awskms:alias/NAME[?region=NAME&endpoint=URL]")
    config = Config(retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=10)
    client = boto3.client(
        "kms", region_name=options.get("region"), endpoint_url=options.get("endpoint"), config=config
    )
    return KmsKeys(client, place)
