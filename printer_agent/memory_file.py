"""Plaintext in memory alone: an anonymous file without a name, without a page on disk, wiped before it goes.

Where the system has `memfd_create` (Linux), the content lies in one; elsewhere in a byte array. Swap is the
machine's to switch off: no program can wipe what the system has written there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import Self

_PIECE = 1 << 20


class MemoryFile:
    """Holds one file in memory; `close` (or leaving the context) overwrites it with zeros first."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("part", os.MFD_CLOEXEC) if hasattr(os, "memfd_create") else None
        self._array = bytearray()
        self._size = 0
        self._sha256 = hashlib.sha256()

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return self._size

    @property
    def sha256(self) -> bytes:
        """Digest of what it holds."""
        return self._sha256.digest()

    def fill(self, source: Iterable[bytes | bytearray | memoryview]) -> None:
        """Append everything from `source`."""
        for piece in source:
            self._sha256.update(piece)
            self._append(piece)

    def pieces(self) -> Iterator[bytes]:
        """Read it from the start, in pieces."""
        at = 0
        while at < self._size:
            if self._descriptor is None:
                piece = bytes(self._array[at : at + _PIECE])
            else:
                piece = os.pread(self._descriptor, _PIECE, at)
            at += len(piece)
            yield piece

    def close(self) -> None:
        """Overwrite and free it; a second call does nothing."""
        self._array[:] = bytes(len(self._array))
        self._array = bytearray()
        if self._descriptor is not None:
            for at in range(0, self._size, _PIECE):
                os.pwrite(self._descriptor, bytes(min(_PIECE, self._size - at)), at)
            os.close(self._descriptor)
            self._descriptor = None
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _append(self, piece: bytes | bytearray | memoryview) -> None:
        if self._descriptor is None:
            self._array += piece
            self._size += len(piece)
            return
        rest = memoryview(piece)
        while rest:
            written = os.write(self._descriptor, rest)
            self._size += written
            rest = rest[written:]
