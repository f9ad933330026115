"""Cobblestone-256: C2SP chunked-encryption with SHA-512 and AES-256-GCM (docs/formats/stream.md).

A message is 24-byte salt ‖ 32-byte commitment ‖ sealed chunks of 16 KiB plaintext, the last always shorter.
`encrypt` and `decrypt` turn pieces of any size into pieces of up to 512 KiB in constant memory; a range is
read by `decrypt_range` from the chunks around it alone. All lengths and offsets are bytes.

Whole messages run through `cryptography.cobblestone`; what it lacks is spelled out here: ranges, and which of
truncation, alteration and foreign header was met.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged, RangeInvalid, TooLarge, WrongContext
from storage.secret import DataKey, wipe

Piece = bytes | bytearray | memoryview
"""What flows through the vault: any contiguous run of bytes."""

CHUNK_BYTES = 16 * 1024
TAG_BYTES = 16
SEALED_BYTES = CHUNK_BYTES + TAG_BYTES
SALT_BYTES = 24
COMMITMENT_BYTES = 32
HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES
CHUNKS_MAX = 2**38
PLAINTEXT_BYTES_MAX = CHUNKS_MAX * CHUNK_BYTES - 1

_ENCRYPT_BATCH_BYTES = 32 * CHUNK_BYTES  # long enough to be worth handing to a hashing thread
_DECRYPT_BATCH_BYTES = 6 * CHUNK_BYTES  # short enough that the allocator keeps the buffer's pages
_NONCE_BYTES = 12
_KEY_BYTES = 32
_INFO = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"


def ciphertext_length(plaintext_bytes: int) -> int:
    """Return the length of the ciphertext of a message of `plaintext_bytes`; `TooLarge` above 4 PiB − 1."""
    if not 0 <= plaintext_bytes <= PLAINTEXT_BYTES_MAX:
        raise TooLarge(PLAINTEXT_BYTES_MAX)
    return HEADER_BYTES + plaintext_bytes + (plaintext_bytes // CHUNK_BYTES + 1) * TAG_BYTES


def plaintext_length(ciphertext_bytes: int) -> int:
    """Return the message length that a ciphertext of this length holds.

    Raises `ObjectDamaged` (`truncated`, or `extended` above the format's limit) where no message has it.
    """
    full, rest = divmod(ciphertext_bytes - HEADER_BYTES, SEALED_BYTES)
    if ciphertext_bytes < HEADER_BYTES + TAG_BYTES or rest < TAG_BYTES:
        raise ObjectDamaged("truncated", f"no message has a ciphertext of {ciphertext_bytes} bytes")
    if full >= CHUNKS_MAX:
        raise ObjectDamaged("extended", f"{ciphertext_bytes} bytes exceed the format's {CHUNKS_MAX} chunks")
    return full * CHUNK_BYTES + rest - TAG_BYTES


class _MessageKeys:
    """Key, base nonce and commitment of one message (spec: "Key derivation", "AEAD usage")."""

    __slots__ = ("_aead", "_base", "commitment")

    def __init__(self, key: DataKey, salt: Piece, context: ObjectContext) -> None:
        info = _INFO + bytes(salt) + context.encode()
        derived = bytearray(_KEY_BYTES + _NONCE_BYTES + COMMITMENT_BYTES)
        HKDFExpand(SHA512(), len(derived), info).derive_into(key.view(), derived)
        with memoryview(derived) as view:
            self._aead = AESGCM(view[:_KEY_BYTES])
            self._base = int.from_bytes(view[_KEY_BYTES : _KEY_BYTES + _NONCE_BYTES], "big")
            self.commitment = bytes(view[_KEY_BYTES + _NONCE_BYTES :])
        wipe(derived)

    def open(self, index: int, sealed: memoryview, target: memoryview) -> int:
        """Open chunk `index` into `target`; returns the bytes written, raises `ObjectDamaged`."""
        nonce = (self._base ^ index).to_bytes(_NONCE_BYTES, "big")
        try:
            return self._aead.decrypt_into(nonce, sealed, None, target[: len(sealed) - TAG_BYTES])
        except InvalidTag:
            raise ObjectDamaged("altered", f"chunk {index} does not authenticate") from None


def encrypt(source: Iterable[Piece], key: DataKey, context: ObjectContext) -> Iterator[memoryview]:
    """Yield the ciphertext of the concatenated `source` under a fresh salt, in pieces of about 512 KiB.

    Two buffers take turns: a piece stays valid while the one after it is made and is released (any further
    use is a `ValueError`) before its buffer is filled again. `key` must never encrypt two messages.
    """
    encryptor = Cobblestone256Encryptor(key.view(), context.encode())
    turns = _Turns(HEADER_BYTES + _sealed_most(_ENCRYPT_BATCH_BYTES))
    room, used = turns.take(), 0
    for part in _parts(source, _ENCRYPT_BATCH_BYTES):
        if used + _sealed_most(len(part)) > len(room):
            yield turns.give(used)
            room, used = turns.take(), 0
        used += encryptor.update_into(part, room[used:])
    yield turns.give(used)
    yield memoryview(encryptor.finalize())


def decrypt(source: Iterable[Piece], key: DataKey, context: ObjectContext) -> Iterator[bytes]:
    """Yield the message whose ciphertext is the concatenated `source`.

    The commitment is checked before any chunk, and only authenticated chunks are yielded. What was yielded
    before an error is a true prefix of the message; the message is whole only once the iterator ends without
    one. Raises `WrongContext` where key, context and header do not belong together, and `ObjectDamaged`
    (`truncated`, `altered`).
    """
    return (bytes(piece) for piece in decrypt_views(source, key, context))


def decrypt_views(source: Iterable[Piece], key: DataKey, context: ObjectContext) -> Iterator[Piece]:
    """Do what `decrypt` does without a copy: a piece is valid until the next is asked for.

    The buffer is wiped when the iterator ends, fails or is closed.
    """
    decryptor = Cobblestone256Decryptor(key.view(), context.encode())
    header, fed, used_most = b"", 0, 0
    buffer = bytearray(_DECRYPT_BATCH_BYTES + CHUNK_BYTES)
    try:
        for part in _parts(source, _DECRYPT_BATCH_BYTES):
            if fed < HEADER_BYTES:
                header += part[: HEADER_BYTES - fed]
                if len(header) == HEADER_BYTES:
                    check_header(header, key, context)
            fed += len(part)
            used = decryptor.update_into(part, buffer)
            used_most = max(used_most, used)
            if used:
                yield memoryview(buffer)[:used]
        plaintext_length(fed)
        yield decryptor.finalize()
    except InvalidTag:
        where = f"a chunk before byte {fed} of the ciphertext does not authenticate"
        raise ObjectDamaged("altered", where) from None
    finally:
        buffer[:used_most] = bytes(used_most)


def decrypt_range(
    read_at: Callable[[int, int], Iterable[Piece]],
    total: int,
    key: DataKey,
    context: ObjectContext,
    start: int,
    length: int,
) -> Iterator[bytes]:
    """Yield `length` bytes of the message from `start`, reading only the header and the chunks around them.

    `read_at(offset, length)` yields ciphertext bytes. `total` is the ciphertext's length, which the caller
    must know from a trusted record: the end of the message is authenticated only when the range reaches it.
    Raises `RangeInvalid`, and what `decrypt` raises.
    """
    plain = plaintext_length(total)
    if start < 0 or length < 0 or start + length > plain:
        raise RangeInvalid(start, length, plain)
    keys = check_header(b"".join(read_at(0, HEADER_BYTES)), key, context)
    first, end = start // CHUNK_BYTES, -(-(start + length) // CHUNK_BYTES)
    offset = HEADER_BYTES + first * SEALED_BYTES
    sealed_bytes = min(HEADER_BYTES + end * SEALED_BYTES, total) - offset
    cutter = _Cutter(read_at(offset, sealed_bytes) if length else (), SEALED_BYTES)
    opened = bytearray(CHUNK_BYTES)
    try:
        for index in range(first, end if length else first):
            sealed = cutter.take(min(SEALED_BYTES, sealed_bytes))
            if len(sealed) < min(SEALED_BYTES, sealed_bytes):
                raise ObjectDamaged("truncated", f"chunk {index} has only {len(sealed)} bytes")
            sealed_bytes -= len(sealed)
            used = keys.open(index, sealed, memoryview(opened))
            at = index * CHUNK_BYTES
            yield bytes(memoryview(opened)[max(start - at, 0) : min(start + length - at, used)])
    finally:
        wipe(opened)


def check_header(header: Piece, key: DataKey, context: ObjectContext) -> _MessageKeys:
    """Derive the message's keys and compare the commitment in constant time, before any chunk is read."""
    if len(header) < HEADER_BYTES:
        raise ObjectDamaged("truncated", f"the header has {len(header)} of its {HEADER_BYTES} bytes")
    keys = _MessageKeys(key, header[:SALT_BYTES], context)
    if not hmac.compare_digest(keys.commitment, bytes(header[SALT_BYTES:])):
        raise WrongContext("the commitment does not match: other key, other context, or an altered header")
    return keys


class _Cutter:
    """Cuts a stream of pieces of any size into runs of a wanted size, copying only across borders."""

    def __init__(self, source: Iterable[Piece], run_bytes_max: int) -> None:
        self._source = iter(source)
        self._view = memoryview(b"")
        self._at = 0
        self._carry = memoryview(bytearray(run_bytes_max))

    def take(self, size: int) -> memoryview:
        """Return the next `size` bytes, fewer only at the end; valid until the next call."""
        run = self._view[self._at : self._at + size]
        self._at += len(run)
        return run if len(run) == size else self._gather(run, size)

    def _gather(self, head: memoryview, size: int) -> memoryview:
        held = len(head)
        self._carry[:held] = head
        while held < size:
            piece = next(self._source, None)
            if piece is None:
                break
            self._view = memoryview(piece).cast("B")
            self._at = min(size - held, len(self._view))
            self._carry[held : held + self._at] = self._view[: self._at]
            held += self._at
        return self._carry[:held]


def _parts(source: Iterable[Piece], bytes_max: int) -> Iterator[memoryview]:
    """Yield `source` in views of at most `bytes_max`."""
    for piece in source:
        view = memoryview(piece).cast("B")
        for at in range(0, len(view), bytes_max):
            yield view[at : at + bytes_max]


def _sealed_most(plaintext_bytes: int) -> int:
    """Return the most that sealing so many bytes can add, with all but a byte of a chunk held from before."""
    return (plaintext_bytes // CHUNK_BYTES + 1) * SEALED_BYTES


class _Turns:
    """Two buffers that take turns; the view given of one is released when it is taken again."""

    def __init__(self, size: int) -> None:
        self._buffers = [memoryview(bytearray(size)) for _ in range(2)]
        self._given: list[memoryview] = []

    def take(self) -> memoryview:
        """Return the buffer whose turn it is, empty for writing."""
        if len(self._given) == 2:
            self._given.pop(0).release()
        self._buffers.reverse()
        return self._buffers[0]

    def give(self, used: int) -> memoryview:
        """Return the first `used` bytes of the buffer taken last."""
        self._given.append(self._buffers[0][:used])
        return self._given[-1]
