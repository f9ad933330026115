"""A keyring in one file: versioned AES-256 keys, owner-only, replaced atomically.

The file is JSON `{"format", "id", "current", "keys": {version: base64}}`. A wrap is AES-256-GCM: 12-byte
random nonce ‖ 32-byte sealed key ‖ 16-byte tag, with `associated_data` as AAD. Whoever reads the file can
open every wrap: production belongs on a key service.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.durable import DISK, Disk, make_directory, replace_file, sync_directory
from storage.envelope import ObjectContext
from storage.errors import KeyringUnsafe, KeyUnavailable, WrongContext
from storage.keys.base import WrappedKey, associated_data
from storage.secret import KEY_BYTES, DataKey, wipe

_FORMAT = "partvault/keyring/v1"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_BLOB_BYTES = _NONCE_BYTES + KEY_BYTES + _TAG_BYTES


@dataclass(frozen=True)
class _Ring:
    """The file's content."""

    id: str
    current: int
    keys: dict[int, DataKey] = field(repr=False)

    def encode(self) -> bytes:
        keys = {
            str(number): base64.b64encode(key.view()).decode("ascii") for number, key in self.keys.items()
        }
        value = {"format": _FORMAT, "id": self.id, "current": self.current, "keys": keys}
        return json.dumps(value).encode("ascii")


class FileKeys:
    """The keyring at `path`, created with one key where the file is absent; see `KeyBackend`.

    Safe for several processes: a change takes a lock file, and each use re-reads a file that was replaced.
    Raises `KeyringUnsafe` where others may read or replace the file, or it is not a keyring.
    """

    def __init__(self, path: Path, disk: Disk = DISK) -> None:
        self._path = path
        self._disk = disk
        with self._reported():
            make_directory(path.parent, disk)
        with self._locked():
            if not os.path.lexists(path):
                self._write(_Ring(secrets.token_hex(16), 1, {1: DataKey.generate()}))
        self._loaded = _load(path)

    @property
    def uri(self) -> str:
        """`file:` and the path."""
        return f"file:{self._path}"

    def generate(self, context: ObjectContext) -> tuple[DataKey, WrappedKey]:
        """Return a fresh key from the operating system's generator and its wrap."""
        key = DataKey.generate()
        return key, self.wrap(key, context)

    def wrap(self, secret: DataKey, context: ObjectContext) -> WrappedKey:
        """Seal under the current version with a random nonce."""
        ring = self._fresh()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(ring.keys[ring.current].view()).encrypt(
            nonce, secret.view(), associated_data(ring.id, str(ring.current), context)
        )
        return WrappedKey(ring.id, str(ring.current), nonce + sealed)

    def unwrap(self, wrapped: WrappedKey, context: ObjectContext) -> DataKey:
        """Open under the version the wrap names."""
        ring = self._fresh()
        version = self._version(ring, wrapped)
        opened = bytearray(KEY_BYTES)
        try:
            if len(wrapped.blob) != _BLOB_BYTES:
                raise InvalidTag
            AESGCM(ring.keys[version].view()).decrypt_into(
                wrapped.blob[:_NONCE_BYTES],
                wrapped.blob[_NONCE_BYTES:],
                associated_data(ring.id, wrapped.version, context),
                opened,
            )
            return DataKey(opened)
        except InvalidTag:
            raise WrongContext("the wrapped key belongs to another object, or was altered") from None
        finally:
            wipe(opened)

    def rewrap(self, wrapped: WrappedKey, context: ObjectContext) -> WrappedKey:
        """Open and seal again; a wrap under the current version is checked and returned as it is."""
        with self.unwrap(wrapped, context) as key:
            return wrapped if wrapped.version == self.current_version() else self.wrap(key, context)

    def current_version(self) -> str:
        """Return the number of the newest key."""
        return str(self._fresh().current)

    def versions(self) -> Sequence[str]:
        """Return the numbers of the keys still held."""
        return [str(version) for version in sorted(self._fresh().keys)]

    def rotate(self) -> str:
        """Append a fresh key and make it current, in two steps.

        The key is on the disk before any process can wrap under it; a retry takes up what was left half done.
        """
        with self._locked():
            ring = self._fresh()
            version = ring.current + 1
            keys = {**ring.keys, version: ring.keys.get(version) or DataKey.generate()}
            self._write(_Ring(ring.id, ring.current, keys))
            self._write(_Ring(ring.id, version, keys))
        return str(version)

    def destroy(self, version: str) -> None:
        """Rewrite the file without this key; copies in backups are the operator's to destroy."""
        with self._locked():
            ring = self._fresh()
            if version == str(ring.current):
                raise KeyUnavailable(f"version {version} is current; rotate and re-wrap before destroying it")
            keys = {number: key for number, key in ring.keys.items() if str(number) != version}
            if len(keys) == len(ring.keys):
                raise KeyUnavailable(f"version {version!r} is not among this keyring's {self.versions()}")
            self._write(_Ring(ring.id, ring.current, keys))

    @staticmethod
    def _version(ring: _Ring, wrapped: WrappedKey) -> int:
        if wrapped.keyring != ring.id:
            raise KeyUnavailable(f"wrapped under keyring {wrapped.keyring!r}, but this one is {ring.id!r}")
        for version in ring.keys:
            if str(version) == wrapped.version:
                return version
        raise KeyUnavailable(f"key version {wrapped.version!r} was destroyed or never was in this keyring")

    def _fresh(self) -> _Ring:
        """Return the ring, read again where another process replaced the file."""
        stamp, ring = self._loaded
        if _stamp_of(self._path) != stamp:
            self._loaded = stamp, ring = _load(self._path)
        return ring

    def _write(self, ring: _Ring) -> None:
        replace_file(self._path, ring.encode(), self._disk)
        self._loaded = _load(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the file, after making their last change durable."""
        lock = self._path.with_name(f".{self._path.name}.lock")
        with self._reported():
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                sync_directory(self._path.parent, self._disk)
                yield
            finally:
                os.close(descriptor)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyUnavailable(
                f"the keyring {self._path} cannot be changed: {error.strerror}; check the disk and retry"
            ) from error


_Stamp = tuple[int, ...]


def _stamp_of(path: Path) -> _Stamp:
    try:
        return _stamp(path.stat())
    except FileNotFoundError:
        raise KeyUnavailable(f"the keyring {path} is gone; restore it from a backup") from None


def _stamp(status: os.stat_result) -> _Stamp:
    """Return what differs after a replacement; the size, as two in one clock tick may reuse the inode."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _load(path: Path) -> tuple[_Stamp, _Ring]:
    """Read the keyring from one descriptor, after judging that descriptor's permissions."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise KeyringUnsafe(f"the keyring {path} cannot be opened: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        _judge(path, status)
        content = os.read(descriptor, status.st_size)
    finally:
        os.close(descriptor)
    return _stamp(status), _decode(path, content)


def _judge(path: Path, status: os.stat_result) -> None:
    """Refuse a keyring that others own, read or write, or whose folder lets others replace it."""
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or mode & 0o077:
        raise KeyringUnsafe(
            f"the keyring {path} (mode {mode:04o}) must be your own file; run chmod 600 on it"
        )
    folder = path.parent.stat()
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        raise KeyringUnsafe(f"others may replace the keyring in {path.parent}; run chmod go-w on that folder")


def _decode(path: Path, content: bytes) -> _Ring:
    try:
        value = json.loads(content)
        if value["format"] != _FORMAT:
            raise ValueError("unknown format")
        pairs = value["keys"].items()
        keys = {int(number): DataKey(base64.b64decode(key, validate=True)) for number, key in pairs}
        ring = _Ring(bytes.fromhex(value["id"]).hex(), int(value["current"]), keys)
        ring.keys[ring.current]
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise KeyringUnsafe(f"{path} is not a whole {_FORMAT} file; restore it from a backup") from None
    return ring
