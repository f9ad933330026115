"""An object store that fails on purpose, before or after it has done the work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from storage.backends.base import ObjectStat, PutResult
from storage.backends.memory import MemoryObjects, _Held
from storage.errors import StoreUnavailable
from storage.stream import Piece


class FaultyObjects(MemoryObjects):
    """Fails the next calls named in `faults`: `"put"` before, `"put after"` after the object is stored.

    `"vanish"` removes the object right after its length was asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.read_bytes = 0

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        self._fail("put")
        result = super().put(key, source)
        self._fail("put after")
        return result

    def delete(self, key: str) -> None:
        self._fail("delete")
        super().delete(key)

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        for piece in super().read(key, start, length):
            self._fail("read")
            self.read_bytes += len(piece)
            yield piece

    def stat(self, key: str) -> ObjectStat:
        found = super().stat(key)
        if "vanish" in self.faults:
            super().delete(key)
        return found

    def swap(self, one: str, other: str) -> None:
        self._objects[one], self._objects[other] = self._objects[other], self._objects[one]

    def write(self, key: str, content: bytes) -> None:
        self._objects[key] = _Held(content, self._clock())

    def _fail(self, call: str) -> None:
        if call in self.faults:
            self.faults.remove(call)
            raise StoreUnavailable(f"{call} failed on purpose")
