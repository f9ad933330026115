"""The key service's port: it wraps data keys under versioned key-encryption keys it never hands out.

Every back end passes tests/conformance/key_backend.py.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable
from storage.secret import DataKey


@dataclass(frozen=True)
class WrappedKey:
    """A data key only its back end can open.

    `keyring` names the service's key set and `version` the key-encryption key in it, so that rotation finds
    what is still under an old one. Not secret, but enough to recover the key for whoever may use the service.
    """

    keyring: str
    version: str
    blob: bytes = field(repr=False)

    def to_json(self) -> dict[str, str]:
        """Return the fields as JSON values (blob in base64), to be stored beside the object's row."""
        return {
            "keyring": self.keyring,
            "version": self.version,
            "blob": base64.b64encode(self.blob).decode("ascii"),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> WrappedKey:
        """Read what `to_json` wrote; raises `KeyUnavailable` where it is malformed."""
        try:
            keyring, version, blob = value["keyring"], value["version"], value["blob"]
            if not isinstance(keyring, str) or not isinstance(version, str) or not isinstance(blob, str):
                raise TypeError("fields must be strings")
            return cls(keyring, version, base64.b64decode(blob, validate=True))
        except (KeyError, TypeError, binascii.Error) as error:
            raise KeyUnavailable(f"a stored wrapped key is malformed ({error}); restore its row") from None


def associated_data(keyring: str, version: str, context: ObjectContext) -> bytes:
    """Return what an AEAD wrap authenticates besides the key: which ring and version made it, and for what.

    Label ‖ 0x00 ‖ u16 length ‖ keyring ‖ u16 length ‖ version ‖ the context's encoding; injective.
    """
    names = (keyring.encode(), version.encode())
    framed = b"".join(len(name).to_bytes(2, "big") + name for name in names)
    return b"partvault/wrapped-key/v1\x00" + framed + context.encode()


class KeyBackend(Protocol):
    """Wraps and unwraps data keys, each bound to its object's context.

    Methods raise `KeyUnavailable` where the service or the key version is out of reach, unknown or destroyed,
    and `WrongContext` where a wrapped key is presented under another context or was altered.
    """

    @property
    def uri(self) -> str:
        """The address this back end was opened by, without secrets."""
        ...

    def generate(self, context: ObjectContext) -> tuple[DataKey, WrappedKey]:
        """Return a fresh data key and its wrap under the current version."""
        ...

    def wrap(self, secret: DataKey, context: ObjectContext) -> WrappedKey:
        """Wrap an existing 32-byte secret under the current version."""
        ...

    def unwrap(self, wrapped: WrappedKey, context: ObjectContext) -> DataKey:
        """Return the data key; the caller wipes it."""
        ...

    def rewrap(self, wrapped: WrappedKey, context: ObjectContext) -> WrappedKey:
        """Return the data key wrapped under the current version; a wrap already under it comes back as is."""
        ...

    def current_version(self) -> str:
        """Return the version that new wraps use."""
        ...

    def versions(self) -> Sequence[str]:
        """Return the versions that still unwrap, oldest first."""
        ...

    def rotate(self) -> str:
        """Add a key-encryption key, make it current and return its version; old versions still unwrap."""
        ...

    def destroy(self, version: str) -> None:
        """Make every wrap under `version` unopenable for ever; the current version is refused."""
        ...
