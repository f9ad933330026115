"""Files that are whole and on the disk, or not there: temp → fsync → link or rename → fsync directory."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


class Disk:
    """Every call by which the vault changes a disk; each raises `OSError`.

    A seam for tests, whose subclass lets each call fail before or after its work was done.
    """

    def create(self, path: Path) -> int:
        """Make a new file (0600), never through a link, and return its descriptor for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def write(self, descriptor: int, piece: memoryview) -> int:
        """Write some of `piece` and return how many bytes."""
        return os.write(descriptor, piece)

    def date(self, descriptor: int) -> None:
        """Set the file's time of modification to now."""
        os.utime(descriptor)

    def sync(self, descriptor: int) -> None:
        """Push a file's data, or a directory's names, to the disk."""
        os.fsync(descriptor)

    def make_directory(self, directory: Path) -> None:
        """Make a directory (0700) in one that exists."""
        directory.mkdir(mode=0o700)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which must be new."""
        target.hardlink_to(source)

    def replace(self, source: Path, target: Path) -> None:
        """Rename a file over another, at once."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Take a name away; one that is not there is no error."""
        path.unlink(missing_ok=True)


DISK = Disk()
"""The machine's own."""


def sync_directory(directory: Path, disk: Disk = DISK) -> None:
    """Make the names in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.sync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path, disk: Disk = DISK) -> None:
    """Create `directory` and its missing parents (0700), each name on the disk before this returns."""
    if directory.is_dir():
        return
    make_directory(directory.parent, disk)
    with suppress(FileExistsError):
        disk.make_directory(directory)
    try:
        sync_directory(directory.parent, disk)
    except OSError:
        with suppress(OSError):
            directory.rmdir()  # so that a retry does not take it for safe
        raise


def write_all(descriptor: int, piece: bytes | bytearray | memoryview, disk: Disk = DISK) -> None:
    """Write the whole of `piece`, however short each write falls; raises `OSError`."""
    with memoryview(piece) as view:
        at = 0
        while at < len(view):
            at += disk.write(descriptor, view[at:])


def replace_file(path: Path, content: bytes, disk: Disk = DISK) -> None:
    """Atomically give `path` (0600) new content.

    When this returns the new content is on the disk. On an `OSError` either the old or the new content is in
    place, whole, and no temporary file is left unless the disk refuses to remove it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = disk.create(temporary)
        try:
            write_all(descriptor, content, disk)
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
        disk.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            disk.unlink(temporary)
        raise
    sync_directory(path.parent, disk)
