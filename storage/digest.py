"""SHA-256 in a second thread, so that hashing overlaps encrypting and writing (hashlib drops the GIL)."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from storage.stream import Piece

_WORTH_A_THREAD_BYTES = 128 * 1024


class BackgroundDigest:
    """SHA-256 of a run of pieces, at most one of them in flight; a context manager that owns one thread.

    A piece handed to `update` may be overwritten once the *next* `update`, `settle` or `finish` has returned.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256")
        self._pending: Future[None] | None = None
        self.bytes = 0

    def update(self, piece: Piece) -> None:
        """Queue `piece` after waiting for the one before it; a small one is hashed at once."""
        self.settle()
        self.bytes += len(piece)
        if len(piece) < _WORTH_A_THREAD_BYTES:
            self._hash.update(piece)
        else:
            self._pending = self._thread.submit(self._hash.update, piece)

    def settle(self) -> None:
        """Wait until every piece so far is hashed."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def finish(self) -> bytes:
        """Return the 32-byte digest of everything so far."""
        self.settle()
        return self._hash.digest()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True)
