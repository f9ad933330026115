"""The object store's port: immutable objects under path-safe keys.

Every back end passes tests/conformance/object_store.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from storage.errors import InvalidName, RangeInvalid
from storage.stream import Piece

READ_BYTES = 1024 * 1024
"""Most bytes that one piece of a read holds."""

KEY_BYTES_MAX = 200
_SEGMENT = r"[a-z0-9][a-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


_Digest = bytes

Clock = Callable[[], datetime]
"""Gives the time, in UTC."""


@dataclass(frozen=True)
class PutResult:
    """What the store kept: its length in bytes and its SHA-256 (32 bytes)."""

    bytes: int
    sha256: _Digest


@dataclass(frozen=True)
class ObjectStat:
    """What the store knows of an object without reading it: its length in bytes, and its age.

    `modified_at` (UTC) is when the store made the object visible, by the clock of whoever keeps the store.
    Amazon's S3 dates an object of several parts from when its upload began, so a caller that takes an object
    for forgotten leaves more time than the longest upload.
    """

    bytes: int
    modified_at: datetime


class ObjectStore(Protocol):
    """Immutable objects, all or nothing.

    Every method raises `InvalidName` for a key that `check_key` refuses, and `StoreUnavailable` where the
    store itself fails.
    """

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        """Store the concatenated `source` under `key`, which must be new.

        Each piece is consumed before the one after the next is asked for. When this returns the object is
        whole, durable and visible; when it raises (`ObjectExists`, or whatever `source` raised, unchanged)
        nothing of it is. Of several puts of one key at the same time exactly one succeeds.
        """
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `start`, to the end where `length` is None.

        Raises `ObjectMissing`, and `RangeInvalid` for a range not wholly inside, on the first piece.
        """
        ...

    def stat(self, key: str) -> ObjectStat:
        """Return the object's length and age; raises `ObjectMissing`."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object for good; one that is not there is no error."""
        ...

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys that start with `prefix`, in no promised order; foreign names are passed over."""
        ...

    def sweep(self) -> int:
        """Remove what interrupted puts left behind, never a running put; returns how many were removed."""
        ...


def utc_now() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)


def check_key(key: str) -> str:
    """Return `key` if it is 1–200 characters of `a-z 0-9 . _ -` in segments split by `/`, else `InvalidName`.

    A segment starts with a letter or digit, so no key is hidden, absolute or climbs out of a folder, and no
    two keys collide on a file system that folds case.
    """
    if not is_key(key):
        raise InvalidName(
            f"object key {key!r} must be at most {KEY_BYTES_MAX} of a-z 0-9 . _ - in plain segments"
        )
    return key


def is_key(key: str) -> bool:
    """Tell whether `check_key` accepts `key`."""
    return len(key) <= KEY_BYTES_MAX and _KEY.fullmatch(key) is not None


def span(start: int, length: int | None, total: int) -> tuple[int, int]:
    """Return first and past-the-last offset of a range of an object of `total` bytes, or `RangeInvalid`."""
    end = total if length is None else start + length
    if not 0 <= start <= end <= total:
        raise RangeInvalid(start, end - start, total)
    return start, end
