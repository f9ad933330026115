"""What can go wrong in the vault, each with a stable `kind` that callers map to their own answers.

Messages name the value at fault and the next step; they never carry key bytes or plaintext.
"""

# ruff: noqa: N818  # named after what happened, as the domain speaks of it

from __future__ import annotations

from typing import ClassVar


class StorageError(Exception):
    """Root of every error this package raises on bad data or a failing neighbour."""

    kind: ClassVar[str] = "storage"


class InvalidName(StorageError):
    """An object key or a field of an object's context breaks the naming rule."""

    kind = "invalid_name"


class ObjectMissing(StorageError):
    """The store holds no object under this key."""

    kind = "object_missing"

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key!r} in the store; run fsck to see what else is gone")
        self.key = key


class ObjectExists(StorageError):
    """The store already holds an object under this key; objects are never overwritten."""

    kind = "object_exists"

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key!r} exists and objects are immutable; store under a new key")
        self.key = key


class ObjectDamaged(StorageError):
    """The stored bytes are not the ones that were written.

    `reason` is one of `missing`, `truncated`, `extended`, `altered` and `substituted` (a whole object that
    belongs to another key or context).
    """

    kind = "object_damaged"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"object {reason}: {detail}; restore it from a backup")
        self.reason = reason


class WrongContext(StorageError):
    """A ciphertext or a wrapped key was presented under a context or key it was not made for."""

    kind = "wrong_context"


class RangeInvalid(StorageError):
    """The range asked for lies outside the object."""

    kind = "range_invalid"

    def __init__(self, start: int, length: int, total: int) -> None:
        super().__init__(f"range of {length} bytes at {start} lies outside the {total} bytes of the object")
        self.start, self.length, self.total = start, length, total


class TooLarge(StorageError):
    """The source holds more bytes than the caller allows."""

    kind = "too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"more than {bytes_max} bytes arrived; send a smaller file or raise the limit")
        self.bytes_max = bytes_max


class StoreUnavailable(StorageError):
    """The object store failed to do its work (disk full, input/output error, no answer); nothing was kept."""

    kind = "store_unavailable"


class KeyUnavailable(StorageError):
    """The key-encryption key needed is unknown, destroyed or out of reach."""

    kind = "key_unavailable"


class KeyringUnsafe(StorageError):
    """The keyring file may be read or replaced by others, or is not a keyring."""

    kind = "keyring_unsafe"


class RecipientInvalid(StorageError):
    """A sealing key does not fit its suite, or the suite is unknown."""

    kind = "recipient_invalid"


class SealInvalid(StorageError):
    """A sealed key does not open: another recipient, another info, or altered bytes."""

    kind = "seal_invalid"


class UriInvalid(StorageError):
    """A back end's address is not understood."""

    kind = "uri_invalid"
