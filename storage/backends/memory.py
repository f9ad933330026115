"""An object store in this process's memory, for tests and trials; nothing survives the process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from storage.backends.base import READ_BYTES, Clock, ObjectStat, PutResult, check_key, span, utc_now
from storage.errors import ObjectExists, ObjectMissing
from storage.stream import Piece


@dataclass(frozen=True)
class _Held:
    content: bytes
    modified_at: datetime


class MemoryObjects:
    """Objects in a dictionary; see `ObjectStore` for the contract."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._objects: dict[str, _Held] = {}
        self._clock = clock
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
            self._objects[key] = _Held(bytes(collected), self._clock())
        return PutResult(len(collected), hashlib.sha256(collected).digest())

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield slices."""
        content = self._get(key).content
        first, end = span(start, length, len(content))
        for at in range(first, end, READ_BYTES):
            yield content[at : min(at + READ_BYTES, end)]

    def stat(self, key: str) -> ObjectStat:
        """Return the length and the time of the put."""
        held = self._get(key)
        return ObjectStat(len(held.content), held.modified_at)

    def delete(self, key: str) -> None:
        """Forget the object."""
        self._objects.pop(check_key(key), None)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield from a snapshot of the keys."""
        yield from (key for key in tuple(self._objects) if key.startswith(prefix))

    def sweep(self) -> int:
        """Return 0: an interrupted put leaves nothing here."""
        return 0

    def _get(self, key: str) -> _Held:
        held = self._objects.get(check_key(key))
        if held is None:
            raise ObjectMissing(key)
        return held
