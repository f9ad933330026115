"""Print files at hand, read a piece at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 20


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of `path`, a MiB at a time; OSError when it cannot be read."""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block
