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
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from storage.backends.base import READ_BYTES, ObjectStat, PutResult, check_key, span
from storage.digest import BackgroundDigest
from storage.durable import Sync, make_directory, sync_directory, write_all
from storage.errors import ObjectExists, ObjectMissing, StoreUnavailable
from storage.stream import Piece


class LocalObjects:
    """Objects as files below `root`, which is created (0700) where absent; see `ObjectStore`."""

    def __init__(self, root: Path, fsync: Sync = os.fsync) -> None:
        self._fsync = fsync
        self._objects = root / "objects"
        self._parts = root / "parts"
        with _reported("prepare the folder"):
            make_directory(self._objects, fsync)
            make_directory(self._parts, fsync)

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        """Write a locked part, fsync it, link it under its name, fsync the folder, drop the part."""
        path = self._path(key)
        if path.exists():
            raise ObjectExists(key)
        with self._part() as (descriptor, part), BackgroundDigest() as digest:
            for piece in source:
                digest.update(piece)
                with _reported(f"write object {key!r}"):
                    write_all(descriptor, piece)
            with _reported(f"write object {key!r}"):
                os.utime(descriptor)  # the age counts from now, however long the source took
                self._fsync(descriptor)
                self._publish(part, path, key)
            return PutResult(digest.bytes, digest.finish())

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
        """Unlink the file and fsync its folder."""
        path = self._path(key)
        with _reported(f"delete object {key!r}"):
            if path.exists():
                path.unlink(missing_ok=True)
                sync_directory(path.parent, self._fsync)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys folder by folder."""
        for folder in sorted(self._objects.iterdir()):
            for path in folder.iterdir():
                key = path.name.replace(",", "/")
                if key.startswith(prefix):
                    yield key

    def sweep(self) -> int:
        """Remove every part that no living writer holds locked."""
        removed = 0
        for part in self._parts.glob("*.part"):
            with _reported(f"sweep {part.name}"):
                removed += _remove_abandoned(part)
        return removed

    def _path(self, key: str) -> Path:
        fan = hashlib.sha256(check_key(key).encode("ascii")).hexdigest()[:2]
        return self._objects / fan / key.replace("/", ",")

    @contextmanager
    def _part(self) -> Iterator[tuple[int, Path]]:
        """Yield a new locked part, gone again at the end whatever happened."""
        part = self._parts / f"{secrets.token_hex(16)}.part"
        with _reported("begin a part"):
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor, part
        finally:
            part.unlink(missing_ok=True)
            os.close(descriptor)

    def _publish(self, part: Path, path: Path, key: str) -> None:
        make_directory(path.parent, self._fsync)
        try:
            path.hardlink_to(part)
        except FileExistsError:
            raise ObjectExists(key) from None
        try:
            sync_directory(path.parent, self._fsync)
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _remove_abandoned(part: Path) -> int:
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink(missing_ok=True)
    except BlockingIOError:
        return 0
    finally:
        os.close(descriptor)
    return 1


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
