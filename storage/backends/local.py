"""An object store in a local folder: fsynced, atomic, create-if-absent.

Layout: `objects/<two hex digits of the key's SHA-256>/<key with "/" as ",">`, and `parts/<random>.part` for
what is being written, locked by its writer. A part becomes an object by a hard link, which replaces nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from storage.backends.base import READ_BYTES, ObjectStat, PutResult, check_key, is_key, span
from storage.digest import BackgroundDigest
from storage.durable import DISK, Disk, make_directory, sync_directory, write_all
from storage.errors import ObjectExists, ObjectMissing, StoreUnavailable
from storage.stream import Piece


class LocalObjects:
    """Objects as files below `root`, which is created (0700) where absent; see `ObjectStore`."""

    def __init__(self, root: Path, disk: Disk = DISK) -> None:
        self._disk = disk
        self._objects = root / "objects"
        self._parts = root / "parts"
        self._synced: set[Path] = set()
        with _reported("prepare the folder"):
            make_directory(self._objects, disk)
            make_directory(self._parts, disk)

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        """Write a locked part, fsync it, link it under its name, fsync the folder, drop the part."""
        path = self._path(key)
        with _reported(f"look up object {key!r}"):
            if os.path.lexists(path):
                raise ObjectExists(key)
        with self._part() as (descriptor, part), BackgroundDigest() as digest:
            for piece in source:
                digest.update(piece)
                with _reported(f"write object {key!r}"):
                    write_all(descriptor, piece, self._disk)
            with _reported(f"write object {key!r}"):
                self._disk.date(descriptor)  # the age counts from now, however long the source took
                self._disk.sync(descriptor)
                result = PutResult(digest.bytes, digest.finish())
                self._publish(part, path, key)
            return result

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield from one open file, so a concurrent delete does not tear the read."""
        path = self._path(key)
        with _reported(f"open object {key!r}"), _found(key):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            at, end = span(start, length, os.fstat(descriptor).st_size)
            while at < end:
                with _reported(f"read object {key!r}"):
                    piece = os.pread(descriptor, min(READ_BYTES, end - at), at)
                if not piece:
                    raise StoreUnavailable(f"object {key!r} shrank to {at} bytes while it was read")
                at += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def stat(self, key: str) -> ObjectStat:
        """Return the file's length and the time it was synced, just before it got its name."""
        with _reported(f"look up object {key!r}"), _found(key):
            status = self._path(key).lstat()
        return ObjectStat(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def delete(self, key: str) -> None:
        """Unlink the file and fsync its folder, even after a try that only unlinked it."""
        path = self._path(key)
        with _reported(f"delete object {key!r}"):
            self._disk.unlink(path)
            if path.parent.is_dir():
                sync_directory(path.parent, self._disk)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys folder by folder."""
        with _reported("list objects"):
            for folder in self._objects.iterdir():
                for path in folder.iterdir():
                    key = path.name.replace(",", "/")
                    if key.startswith(prefix) and is_key(key) and path == self._path(key):
                        yield key

    def sweep(self) -> int:
        """Remove every part that no living writer holds locked."""
        removed = 0
        with _reported("sweep parts"):
            for part in self._parts.glob("*.part"):
                removed += self._remove_abandoned(part)
        return removed

    def _path(self, key: str) -> Path:
        fan = hashlib.sha256(check_key(key).encode("ascii")).hexdigest()[:2]
        return self._objects / fan / key.replace("/", ",")

    @contextmanager
    def _part(self) -> Iterator[tuple[int, Path]]:
        """Yield a new locked part; it is gone again at the end, or left to `sweep` where the disk refuses."""
        with _reported("begin a part"):
            descriptor, part = self._begin_part()
        try:
            yield descriptor, part
        finally:
            with suppress(OSError):
                self._disk.unlink(part)
            os.close(descriptor)

    def _begin_part(self) -> tuple[int, Path]:
        while True:
            part = self._parts / f"{secrets.token_hex(16)}.part"
            descriptor = self._disk.create(part)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, part
            os.close(descriptor)  # swept between its creation and its lock

    def _publish(self, part: Path, path: Path, key: str) -> None:
        """Give the part its name; when this raises it has none."""
        self._make_folder(path.parent)
        try:
            self._disk.link(part, path)
        except OSError as error:
            if not _same_file(part, path):  # a file server's answer may be lost although it made the link
                raise (ObjectExists(key) if isinstance(error, FileExistsError) else error) from None
        try:
            sync_directory(path.parent, self._disk)
        except BaseException:
            self._disk.unlink(path)
            raise

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of objects, and its name durable once in each process, whoever made it."""
        with suppress(FileExistsError):
            self._disk.make_directory(folder)
            self._synced.discard(folder)
        if folder not in self._synced:
            sync_directory(folder.parent, self._disk)
            self._synced.add(folder)

    def _remove_abandoned(self, part: Path) -> int:
        try:
            descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return 0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._disk.unlink(part)
            return 1
        except BlockingIOError:
            return 0
        finally:
            os.close(descriptor)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def _found(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing(key) from None


@contextmanager
def _reported(action: str) -> Iterator[None]:
    """Turn an operating-system error into `StoreUnavailable` that says which action failed and why."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"could not {action}: {error.strerror}; check the disk and retry") from error
