"""Files that are whole and on the disk, or not there: temp → fsync → link or rename → fsync directory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

Sync = Callable[[int], None]
"""What pushes a descriptor's data to the disk: `os.fsync`, or one that fails on purpose."""


def sync_directory(directory: Path, fsync: Sync = os.fsync) -> None:
    """Make the names in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, fsync: Sync = os.fsync) -> None:
    """Create `directory` and its missing parents (0700), each name on the disk before this returns."""
    if directory.is_dir():
        return
    make_directory(directory.parent, fsync)
    directory.mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory.parent, fsync)


def write_all(descriptor: int, piece: bytes | bytearray | memoryview) -> None:
    """Write the whole of `piece`, however short each write falls; raises `OSError`."""
    with memoryview(piece) as view:
        at = 0
        while at < len(view):
            at += os.write(descriptor, view[at:])


def replace_file(path: Path, content: bytes, fsync: Sync = os.fsync) -> None:
    """Atomically give `path` (0600) new content; on an error the old file stands and no temp file is left."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            write_all(descriptor, content)
            fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent, fsync)
