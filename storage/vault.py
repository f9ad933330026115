"""The vault's public face: put, open, hand out, check and discard encrypted objects.

Each object has its own data key, wrapped for the database under the object's context; the store sees
ciphertext under a random name only. Callers keep the `StoredObject` with their row: nothing else leads back.
"""

from __future__ import annotations

import binascii
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hmac import compare_digest

from storage import stream
from storage.backends.base import ObjectStore, PutResult
from storage.digest import BackgroundDigest
from storage.envelope import ObjectContext
from storage.errors import (
    KeyUnavailable,
    ObjectDamaged,
    ObjectMissing,
    StorageError,
    TooLarge,
    WrongContext,
)
from storage.keys.base import KeyBackend, WrappedKey
from storage.secret import DataKey
from storage.stream import Piece


@dataclass(frozen=True)
class StoredObject:
    """The record of one stored object; digests are SHA-256 (32 bytes), lengths in bytes.

    `wrapped` is its data key, None where the record came without: enough to check and hand out ciphertext.
    `plaintext_sha256` is empty where others encrypted the object and have not said yet what it holds.
    """

    object_key: str
    plaintext_sha256: bytes
    plaintext_bytes: int
    ciphertext_sha256: bytes
    ciphertext_bytes: int
    wrapped: WrappedKey | None = None

    def to_json(self) -> dict[str, object]:
        """Return the fields but the key as JSON values (digests in hex)."""
        return {
            "object_key": self.object_key,
            "plaintext_sha256": self.plaintext_sha256.hex(),
            "plaintext_bytes": self.plaintext_bytes,
            "ciphertext_sha256": self.ciphertext_sha256.hex(),
            "ciphertext_bytes": self.ciphertext_bytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object], wrapped: WrappedKey | None = None) -> StoredObject:
        """Read what `to_json` wrote; raises `ObjectDamaged` where the record is malformed."""
        try:
            return cls(
                object_key=str(value["object_key"]),
                plaintext_sha256=binascii.unhexlify(str(value["plaintext_sha256"])),
                plaintext_bytes=int(str(value["plaintext_bytes"])),
                ciphertext_sha256=binascii.unhexlify(str(value["ciphertext_sha256"])),
                ciphertext_bytes=int(str(value["ciphertext_bytes"])),
                wrapped=wrapped,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ObjectDamaged("altered", f"its record is malformed ({error})") from None


class Vault:
    """Encrypted objects over a store and a key back end; both must be safe to share between threads."""

    def __init__(self, objects: ObjectStore, keys: KeyBackend) -> None:
        self.objects = objects
        self.keys = keys

    def put(self, context: ObjectContext, source: Iterable[Piece], plaintext_bytes_max: int) -> StoredObject:
        """Hash, encrypt and store `source` as it flows, under a fresh data key and a random name.

        Memory stays constant. Raises `TooLarge` once more than `plaintext_bytes_max` arrive, what `source`
        raises unchanged, and what store and key back end raise; then nothing remains in the store.
        """
        object_key = secrets.token_hex(16)
        key, wrapped = self.keys.generate(context)
        with key, BackgroundDigest() as plain:
            metered = _metered(source, plain, plaintext_bytes_max)
            result = self._store(object_key, stream.encrypt(metered, key, context))
            return StoredObject(
                object_key=object_key,
                plaintext_sha256=plain.finish(),
                plaintext_bytes=plain.bytes,
                ciphertext_sha256=result.sha256,
                ciphertext_bytes=result.bytes,
                wrapped=wrapped,
            )

    def put_ciphertext(self, source: Iterable[Piece], ciphertext_bytes_max: int) -> StoredObject:
        """Store what its owner encrypted as it arrives, under a random name; its key never comes here.

        Memory stays constant. Raises `TooLarge` once more than `ciphertext_bytes_max` arrive, `ObjectDamaged`
        where no message has a ciphertext of that length, what `source` raises unchanged, and what the store
        raises; then nothing remains in the store.
        """
        object_key = secrets.token_hex(16)
        result = self._store(object_key, _well_formed(source, ciphertext_bytes_max))
        return StoredObject(
            object_key=object_key,
            plaintext_sha256=b"",
            plaintext_bytes=stream.plaintext_length(result.bytes),
            ciphertext_sha256=result.sha256,
            ciphertext_bytes=result.bytes,
        )

    def open(self, stored: StoredObject, context: ObjectContext) -> Iterator[bytes]:
        """Yield the plaintext, every piece authenticated; whole only once the iterator ends without an error.

        Raises `WrongContext` where the record's wrapped key belongs to another object, `ObjectDamaged`
        (`missing`, `truncated`, `altered`, `substituted`) where the stored bytes are not this object's, and
        `KeyUnavailable`.
        """
        with self.data_key(stored, context) as key, _judged(stored):
            yield from stream.decrypt(self.ciphertext(stored), key, context)

    def open_range(
        self, stored: StoredObject, context: ObjectContext, start: int, length: int
    ) -> Iterator[bytes]:
        """Yield `length` bytes of plaintext from `start`, fetching only the chunks around them.

        Raises what `open` raises, and `RangeInvalid`.
        """
        with self.data_key(stored, context) as key, _judged(stored):
            self._check_size(stored)
            read_at = partial(self.objects.read, stored.object_key)
            yield from stream.decrypt_range(read_at, stored.ciphertext_bytes, key, context, start, length)

    def ciphertext(self, stored: StoredObject, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Return an iterator over the stored bytes, for a recipient who holds the sealed key.

        A missing object or one of another length is `ObjectDamaged` at the call, before anything is sent.
        """
        self._check_size(stored)
        return self.objects.read(stored.object_key, start, length)

    def check(self, stored: StoredObject) -> None:
        """Read the whole object; raises `ObjectDamaged` (`missing`, `truncated`, `extended`, `altered`)."""
        self._check_size(stored)
        with _judged(stored), BackgroundDigest() as digest:
            for piece in self.objects.read(stored.object_key):
                digest.update(piece)
            if not compare_digest(digest.finish(), stored.ciphertext_sha256):
                raise ObjectDamaged("altered", f"{stored.object_key} has another SHA-256 than its record")

    def check_key(self, stored: StoredObject, context: ObjectContext) -> None:
        """Verify by length and header alone that the object is of its record's key and of `context`.

        Raises what `open` raises; no chunk is read.
        """
        list(self.open_range(stored, context, 0, 0))

    def data_key(self, stored: StoredObject, context: ObjectContext) -> DataKey:
        """Return the object's data key, to be sealed to a recipient; the caller wipes it.

        Raises `KeyUnavailable` where the record holds none.
        """
        if stored.wrapped is None:
            raise KeyUnavailable(f"the record of {stored.object_key} holds no data key; its owner keeps it")
        return self.keys.unwrap(stored.wrapped, context)

    def discard(self, stored: StoredObject) -> None:
        """Remove the ciphertext; the caller forgets the record, without which the key is gone too."""
        self.objects.delete(stored.object_key)

    def _store(self, object_key: str, ciphertext: Iterable[Piece]) -> PutResult:
        """Put, and on failure remove what a store may have kept although it reported an error."""
        try:
            return self.objects.put(object_key, ciphertext)
        except BaseException:
            with suppress(StorageError):
                self.objects.delete(object_key)
            raise

    def _check_size(self, stored: StoredObject) -> None:
        try:
            size = self.objects.stat(stored.object_key).bytes
        except ObjectMissing:
            raise ObjectDamaged("missing", f"{stored.object_key} is not in the store") from None
        if size != stored.ciphertext_bytes:
            reason = "truncated" if size < stored.ciphertext_bytes else "extended"
            raise ObjectDamaged(reason, f"{stored.object_key} has {size} of {stored.ciphertext_bytes} bytes")


def _metered(source: Iterable[Piece], digest: BackgroundDigest, bytes_max: int) -> Iterator[Piece]:
    """Pass `source` on while hashing it; raises `TooLarge` before passing on a byte too many."""
    for piece in source:
        if digest.bytes + len(piece) > bytes_max:
            raise TooLarge(bytes_max)
        digest.update(piece)
        yield piece
        if not isinstance(piece, bytes):
            digest.settle()


def _well_formed(source: Iterable[Piece], bytes_max: int) -> Iterator[Piece]:
    """Pass a ciphertext on; raises before a byte too many, and at the end where no message is that long."""
    total = 0
    for piece in source:
        total += len(piece)
        if total > bytes_max:
            raise TooLarge(bytes_max)
        yield piece
    stream.plaintext_length(total)


@contextmanager
def _judged(stored: StoredObject) -> Iterator[None]:
    """Name a foreign header for what it is: the wrapped key fitted the context, so the object does not."""
    try:
        yield
    except ObjectMissing:
        raise ObjectDamaged("missing", f"{stored.object_key} vanished while it was opened") from None
    except WrongContext:
        raise ObjectDamaged("substituted", f"{stored.object_key} holds another object") from None
