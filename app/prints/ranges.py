"""Byte ranges (RFC 9110 section 14) of one object."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.errors import RangeInvalid

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class ByteRange:
    """`length` bytes from `start` of an object of `total` bytes."""

    start: int
    length: int
    total: int

    @property
    def content_range(self) -> str:
        """Give the Content-Range header."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.total}"


def read(header: str | None, total: int) -> ByteRange | None:
    """Read a Range header; None for the whole: no header, several ranges, or another unit.

    Raises RangeInvalid where the one range lies outside the object.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        length = min(int(last), total)
        start = total - length
    else:
        start = int(first)
        length = min(int(last) if last else total - 1, total - 1) - start + 1
    if length <= 0 or start >= total:
        raise RangeInvalid(start, max(length, 0), total)
    return ByteRange(start, length, total)
