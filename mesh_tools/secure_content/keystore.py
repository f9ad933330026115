"""What a key store says (Secure Content chapter 2), as values that are whole or do not exist.

Every bound is checked as a value is made, whether it comes from XML or from a sandboxed child's JSON.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from mesh_tools.errors import Refused
from mesh_tools.secure_content.algorithms import DIGESTS, IV_BYTES, TAG_BYTES

KEYSTORE_BYTES_MAX: Final = 1 << 20
CONSUMERS_MAX: Final = 256
GROUPS_MAX: Final = 64
RESOURCES_MAX: Final = 1024
WRAPPED_BYTES_MAX: Final = 1024
AAD_BYTES_MAX: Final = 4096
TEXT_CHARS_MAX: Final = 256
PEM_CHARS_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Consumer:
    """One for whom content keys are wrapped (2.1): its id, and its key's id and PEM text where given."""

    id: str
    key_id: str | None = None
    pem: str | None = None

    def __post_init__(self) -> None:
        _check_text("consumerid", self.id, TEXT_CHARS_MAX)
        if self.key_id is not None:
            _check_text("keyid", self.key_id, TEXT_CHARS_MAX)
        if self.pem is not None:
            _check_text("keyvalue", self.pem, PEM_CHARS_MAX)


@dataclass(frozen=True, slots=True)
class AccessRight:
    """A content key wrapped for the consumer of that index by RSA-OAEP with that hash (2.2.2)."""

    consumer: int
    hash: str
    wrapped: str

    def __post_init__(self) -> None:
        if self.hash not in DIGESTS.values():
            raise Refused("package.algorithm", f"{self.hash[:40]!r} is no hash that OAEP may use.")
        decoded("CipherValue", self.wrapped, 1, WRAPPED_BYTES_MAX)

    @property
    def wrapped_bytes(self) -> bytes:
        """The wrapped key."""
        return decoded("CipherValue", self.wrapped, 1, WRAPPED_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Resource:
    """An encrypted part, its name without leading slash, and how it was encrypted (2.2.1).

    IV, tag and AAD are base64; `deflated` says that it was compressed before.
    """

    path: str
    iv: str
    tag: str
    aad: str = ""
    deflated: bool = False

    def __post_init__(self) -> None:
        _check_text("path", self.path, 1024)
        decoded("iv", self.iv, IV_BYTES, IV_BYTES)
        decoded("tag", self.tag, TAG_BYTES, TAG_BYTES)
        decoded("aad", self.aad, 0, AAD_BYTES_MAX)

    @property
    def iv_bytes(self) -> bytes:
        """The initialisation vector, 12 bytes."""
        return decoded("iv", self.iv, IV_BYTES, IV_BYTES)

    @property
    def tag_bytes(self) -> bytes:
        """The authentication tag, 16 bytes."""
        return decoded("tag", self.tag, TAG_BYTES, TAG_BYTES)

    @property
    def aad_bytes(self) -> bytes:
        """The additional authenticated data."""
        return decoded("aad", self.aad, 0, AAD_BYTES_MAX)


@dataclass(frozen=True, slots=True)
class Group:
    """Parts under one content key, and the consumers that may have it (2.2)."""

    key_uuid: str
    rights: tuple[AccessRight, ...]
    resources: tuple[Resource, ...]

    def __post_init__(self) -> None:
        _check_count("access rights", len(self.rights), CONSUMERS_MAX)
        _check_unique("consumer of a group", (right.consumer for right in self.rights))
        _check_unique("IV under one key", (resource.iv for resource in self.resources))


@dataclass(frozen=True, slots=True)
class Keystore:
    """The whole key store; consumer ids and paths are unique, every index leads to a consumer."""

    uuid: str
    consumers: tuple[Consumer, ...]
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        _check_count("consumers", len(self.consumers), CONSUMERS_MAX)
        _check_count("groups", len(self.groups), GROUPS_MAX)
        _check_count("encrypted parts", len(self.resources), RESOURCES_MAX)
        _check_unique("consumerid", (consumer.id for consumer in self.consumers))
        _check_unique("encrypted part", (resource.path.casefold() for resource in self.resources))
        rights = [right.consumer for group in self.groups for right in group.rights]
        if rights and not 0 <= min(rights) <= max(rights) < len(self.consumers):
            raise fault(f"An access right names a consumer that is not one of {len(self.consumers)}.")

    @property
    def resources(self) -> tuple[Resource, ...]:
        """The encrypted parts of all groups."""
        return tuple(resource for group in self.groups for resource in group.resources)

    def to_json(self) -> dict[str, Any]:
        """The key store as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote; ValueError or Refused for anything else."""
        try:
            consumers = tuple(Consumer(**_texts(row)) for row in value["consumers"])
            groups = tuple(_group(row) for row in value["groups"])
            return cls(**_texts({"uuid": value["uuid"]}), consumers=consumers, groups=groups)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"this is no key store: {error}") from None


def fault(message: str) -> Refused:
    """The refusal of a key store that is not sound."""
    return Refused("package.keystore", message)


def encoded(value: bytes) -> str:
    """Base64 as a key store has it."""
    return base64.b64encode(value).decode()


def decoded(what: str, text: str, least: int, most: int) -> bytes:
    """The bytes of `text`, canonical base64 of `least` to `most` bytes; Refused(package.keystore)."""
    if len(text) > 4 * ((most + 2) // 3):
        raise fault(f"{what} is longer than {most} bytes.")
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise fault(f"{what} is not base64.") from None
    if encoded(value) != text:
        raise fault(f"{what} is not canonical base64.")
    if not least <= len(value) <= most:
        raise fault(f"{what} has {len(value)} bytes.")
    return value


def _group(row: Any) -> Group:
    rights = tuple(
        AccessRight(_index(right["consumer"]), **_texts({key: right[key] for key in ("hash", "wrapped")}))
        for right in row["rights"]
    )
    resources = tuple(
        Resource(
            **_texts({key: resource[key] for key in ("path", "iv", "tag", "aad")}),
            deflated=resource["deflated"] is True,
        )
        for resource in row["resources"]
    )
    return Group(**_texts({"key_uuid": row["key_uuid"]}), rights=rights, resources=resources)


def _texts(row: dict[str, Any]) -> dict[str, Any]:
    if not all(value is None or isinstance(value, str) for value in row.values()):
        raise TypeError("a value that must be a text is none")
    return row


def _index(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("an index must be an integer")
    return value


def _check_text(what: str, text: str, chars_max: int) -> None:
    if not text or len(text) > chars_max:
        raise fault(f"{what} has {len(text)} characters; 1 to {chars_max} are accepted.")


def _check_count(what: str, count: int, most: int) -> None:
    if count > most:
        raise Refused("package.limit", f"The key store has {count} {what}; {most} are accepted.")


def _check_unique(what: str, values: Iterable[object]) -> None:
    value, count = next(iter(Counter(values).most_common(1)), (None, 0))
    if count > 1:
        raise fault(f"The {what} {str(value)[:100]!r} stands {count} times.")
