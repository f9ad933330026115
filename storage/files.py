"""From file to file: Cobblestone-256 nearly as fast as a plain copy, in constant memory.

Two workers share the file. Each reads a batch, waits for its turn at the cipher, which has to see the batches
in order, and writes the result while the other has its turn. So reading and writing overlap with the cipher,
a batch never leaves its core, and a thread is woken once for megabytes rather than once for every piece.

Streams that aren't files go through `storage.stream`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Protocol

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged, StoreUnavailable
from storage.secret import DataKey, wipe
from storage.stream import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_BYTES,
    check_header,
    ciphertext_length,
    plaintext_length,
)

BATCH_BYTES = 5 * 512 * 1024
"""What a worker reads at a time; four such buffers are all the memory in use."""


def encrypt_file(source: int, target: int, key: DataKey, context: ObjectContext) -> int:
    """Write the ciphertext of the whole file `source` to the file `target`; returns its length.

    Both are descriptors of regular files, used from offset 0; `target` is cut to the ciphertext, and emptied
    when this raises. Making it durable is the caller's. `key` must never encrypt two messages. Raises
    `TooLarge`, `StoreUnavailable` where `source` shrinks meanwhile, and `OSError` unchanged.
    """
    total = os.fstat(source).st_size
    ciphertext_length(total)
    with _emptied_on_failure(target):
        passage = _Passage(source, target, Cobblestone256Encryptor(key.view(), context.encode()))
        return passage.finish(passage.run(total))


def decrypt_file(source: int, target: int, key: DataKey, context: ObjectContext) -> int:
    """Write the message whose ciphertext is the whole file `source` to the file `target`; returns its length.

    Descriptors are treated as by `encrypt_file`, and no byte of `target` is to be used before this returns.

    1. The commitment fits key and context (`WrongContext`).
    2. Every chunk is authentic and in its place (`ObjectDamaged`, `altered`).
    3. The length is one that some message has (`truncated`), and the last chunk the last (`altered`).
    """
    total = os.fstat(source).st_size
    with _emptied_on_failure(target):
        # (1) before a chunk is opened
        check_header(os.pread(source, HEADER_BYTES, 0), key, context)
        passage = _Passage(source, target, Cobblestone256Decryptor(key.view(), context.encode()))
        try:
            # (2) while it is written
            end = passage.run(total)
            # (3) or the target is emptied again
            plaintext_length(total)
            return passage.finish(end)
        except InvalidTag:
            raise ObjectDamaged("altered", f"a chunk of its {total} bytes does not authenticate") from None


class _Cipher(Protocol):
    """What `cryptography.cobblestone` offers in both directions."""

    def update_into(self, data: memoryview, buffer: bytearray) -> int: ...

    def finalize(self) -> bytes: ...


class _Passage:
    """The way of one file through a cipher, by two workers in turn."""

    def __init__(self, source: int, target: int, cipher: _Cipher) -> None:
        self._source = source
        self._target = target
        self._cipher = cipher
        self._turns: tuple[SimpleQueue[int | None], ...] = (SimpleQueue(), SimpleQueue())
        """What tells a worker that it may go on: where its output belongs, or None to give up."""

    def run(self, total: int) -> int:
        """Pass `total` bytes of the source through; returns where the output ends so far."""
        self._turns[0].put(0)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="cipher") as second:
            other = second.submit(self._work, 1, total)
            self._work(0, total)
            other.result()
        batches = -(-total // BATCH_BYTES)
        return self._turns[batches % 2].get() or 0

    def finish(self, end: int) -> int:
        """Write what the cipher still holds at `end`; returns the target's length, to which it is cut."""
        tail = self._cipher.finalize()
        _write_at(self._target, memoryview(tail), end)
        os.ftruncate(self._target, end + len(tail))
        return end + len(tail)

    def _work(self, me: int, total: int) -> None:
        """Take every other batch; a failure tells the other worker to give up, and is raised here."""
        mine, other = self._turns[me], self._turns[1 - me]
        taken = bytearray(min(BATCH_BYTES, total))
        made = bytearray(HEADER_BYTES + (len(taken) // CHUNK_BYTES + 1) * SEALED_BYTES)
        try:
            for start in range(me * BATCH_BYTES, total, 2 * BATCH_BYTES):
                batch = memoryview(taken)[: total - start]
                _read_at(self._source, batch, start)
                at = mine.get()
                if at is None:
                    return
                used = self._cipher.update_into(batch, made)
                other.put(at + used)
                _write_at(self._target, memoryview(made)[:used], at)
        except BaseException:
            other.put(None)
            raise
        finally:
            wipe(taken)
            wipe(made)


def _read_at(descriptor: int, room: memoryview, at: int) -> None:
    """Fill `room` from offset `at`."""
    while room:
        count = os.preadv(descriptor, [room], at)
        if not count:
            raise StoreUnavailable(f"the file shrank while it was read and has no byte {at} any more; retry")
        room, at = room[count:], at + count


def _write_at(descriptor: int, piece: memoryview, at: int) -> None:
    """Write the whole of `piece` at offset `at`, however short each write falls."""
    while piece:
        count = os.pwrite(descriptor, piece, at)
        piece, at = piece[count:], at + count


@contextmanager
def _emptied_on_failure(target: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.ftruncate(target, 0)
        raise
