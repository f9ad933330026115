"""An object store in this process's memory, for tests and trials; nothing survives the process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator

from storage.backends.base import READ_BYTES, PutResult, check_key, span
from storage.errors import ObjectExists, ObjectMissing
from storage.stream import Piece


class MemoryObjects:
    """Objects in a dictionary; see `ObjectStore` for the contract."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        """Collect `source`, then insert it."""
        if check_key(key) in self._objects:
            raise ObjectExists(key)
        collected = bytearray()
        for piece in source:
            collected += piece
        with self._lock:
            if key in self._objects:
                raise ObjectExists(key)
            self._objects[key] = bytes(collected)
        return PutResult(len(collected), hashlib.sha256(collected).digest())

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield slices."""
        content = self._get(key)
        first, end = span(start, length, len(content))
        for at in range(first, end, READ_BYTES):
            yield content[at : min(at + READ_BYTES, end)]

    def size(self, key: str) -> int:
        """Return the length."""
        return len(self._get(key))

    def delete(self, key: str) -> None:
        """Forget the object."""
        self._objects.pop(check_key(key), None)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield from a snapshot of the keys."""
        yield from (key for key in tuple(self._objects) if key.startswith(prefix))

    def sweep(self) -> int:
        """Return 0: an interrupted put leaves nothing here."""
        return 0

    def _get(self, key: str) -> bytes:
        content = self._objects.get(check_key(key))
        if content is None:
            raise ObjectMissing(key)
        return content
