"""Snapshots of the embedded chain: states that were proved once, sealed, and shorten the next replay.

A snapshot is a state file and a manifest. The manifest is written last and sealed with a key that follows
from the relay's, so neither file can be made or altered without it; it says which block the state is of and
holds two digests, of the state file and of every row that is stored about the chain up to that block. Files
are written aside, flushed to the disk and renamed; a kill at any moment leaves a snapshot or none.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.facts import compact_json
from ledger.signer import AccountKey

_FORMAT: Final = "partvault/chain-snapshot/v1"
_PIECE_BYTES: Final = 1 << 18
_KEPT: Final = 2
_STATE, _MANIFEST, _DRAFT, _UNFIT = ".state.gz", ".json", ".new", ".unfit"


class SnapshotUnfit(LedgerError):  # noqa: N818 - it names what was found
    """A snapshot is damaged, altered, or of another history; the chain is restored without it."""

    kind = "snapshot_unfit"


@dataclass(frozen=True)
class Manifest:
    """What a snapshot is of. Hashes are 0x-hex; `rows_sha256` covers the stored rows up to `block`."""

    chain_id: int
    genesis_time: int
    contract: str
    code_hash: str
    block: int
    block_hash: str
    state_bytes: int
    state_sha256: str
    rows_sha256: str
    taken_at: int


@dataclass(frozen=True)
class Moment:
    """What the taker of a snapshot knows before the state is written: all of the manifest but the file."""

    chain_id: int
    genesis_time: int
    contract: str
    code_hash: str
    block: int
    block_hash: str
    rows_sha256: str
    taken_at: int


class Shelf:
    """The snapshots in a folder. `relay` seals them; without it they can be listed, not made or trusted."""

    def __init__(self, folder: Path, relay: AccountKey | None = None) -> None:
        self._folder = folder
        self._secret = None if relay is None else hmac.digest(relay.reveal(), _FORMAT.encode(), "sha256")

    def blocks(self) -> list[int]:
        """Return the blocks there are snapshots of, the newest first."""
        found = (path.name.removesuffix(_MANIFEST) for path in self._folder.glob(f"*{_MANIFEST}"))
        return sorted((int(name) for name in found if name.isdecimal()), reverse=True)

    def describe(self, block: int) -> Manifest:
        """Return what a manifest says, unproved; SnapshotUnfit if it cannot be read."""
        try:
            manifest, _ = _parse(self._path(block, _MANIFEST).read_bytes())
        except OSError as problem:
            raise SnapshotUnfit(f"the manifest cannot be read: {problem}") from problem
        return manifest

    def proved(self, block: int) -> Manifest:
        """Return a manifest whose seal and state file are whole; SnapshotUnfit otherwise."""
        try:
            manifest, seal = _parse(self._path(block, _MANIFEST).read_bytes())
            if not hmac.compare_digest(seal, self._seal(manifest)):
                raise SnapshotUnfit("the manifest was not sealed with this relay's key")
            if manifest.block != block:
                raise SnapshotUnfit(f"the manifest is of block {manifest.block}")
            digest, size = hashlib.sha256(), 0
            for piece in self.state(block):
                digest.update(piece)
                size += len(piece)
        except OSError as problem:
            raise SnapshotUnfit(f"its files cannot be read: {problem}") from problem
        if not hmac.compare_digest(digest.hexdigest(), manifest.state_sha256):
            raise SnapshotUnfit(f"the state file has {size} bytes that are not the ones written")
        return manifest

    def state(self, block: int) -> Iterator[bytes]:
        """Yield the state file's bytes."""
        with self._path(block, _STATE).open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece

    def keep(self, moment: Moment, state: Iterable[bytes]) -> Manifest:
        """Write a snapshot, and let only the newest two stay.

        When this returns, the snapshot outlives a power cut. Raises OSError where the disk fails, and what
        `state` raises; no snapshot is there then.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._sweep()
        path = self._path(moment.block, _STATE)
        digest, size = _write(path, state)
        manifest = Manifest(**asdict(moment), state_bytes=size, state_sha256=digest)
        sealed = {"format": _FORMAT, **asdict(manifest), "seal": self._seal(manifest).hex()}
        _write(self._path(moment.block, _MANIFEST), [json.dumps(sealed, indent=2).encode()])
        _flush_folder(self._folder)
        for old in self.blocks()[_KEPT:]:
            self._remove(old)
        return manifest

    def set_aside(self, block: int) -> None:
        """Take a snapshot out of use; the last one set aside stays for whoever wants to know why."""
        for path in self._folder.glob(f"*{_UNFIT}"):
            path.unlink(missing_ok=True)
        for kind in (_MANIFEST, _STATE):
            path = self._path(block, kind)
            with contextlib.suppress(FileNotFoundError):
                path.replace(path.with_name(path.name + _UNFIT))

    def _sweep(self) -> None:
        """Remove what a kill left half written: drafts, and states without a manifest."""
        for path in self._folder.glob(f"*{_DRAFT}"):
            path.unlink(missing_ok=True)
        for path in self._folder.glob(f"*{_STATE}"):
            if not path.with_name(path.name.removesuffix(_STATE) + _MANIFEST).exists():
                path.unlink(missing_ok=True)

    def _remove(self, block: int) -> None:
        for kind in (_MANIFEST, _STATE):
            self._path(block, kind).unlink(missing_ok=True)

    def _path(self, block: int, kind: str) -> Path:
        return self._folder / f"{block:012d}{kind}"

    def _seal(self, manifest: Manifest) -> bytes:
        if self._secret is None:
            raise SnapshotUnfit("a snapshot cannot be proved without the relay's key")
        return hmac.digest(self._secret, compact_json(asdict(manifest)).encode(), "sha256")


def _parse(text: bytes) -> tuple[Manifest, bytes]:
    try:
        data: dict[str, Any] = json.loads(text)
        if data.pop("format") != _FORMAT:
            raise SnapshotUnfit("the manifest is of another format")
        seal = bytes.fromhex(data.pop("seal"))
        manifest = Manifest(**data)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise SnapshotUnfit(f"the manifest cannot be read: {problem!r}") from problem
    if any(type(value) is not type_ for value, type_ in _typed(manifest)):
        raise SnapshotUnfit("the manifest has a value of another type")
    return manifest, seal


def _typed(manifest: Manifest) -> Iterator[tuple[object, type]]:
    kinds = {"int": int, "str": str}
    for name, kind in Manifest.__annotations__.items():
        yield getattr(manifest, name), kinds[kind]


def _write(path: Path, pieces: Iterable[bytes]) -> tuple[str, int]:
    """Write a file aside, flush and rename it; return its SHA-256 in hexadecimal and its size."""
    draft, digest, size = path.with_name(path.name + _DRAFT), hashlib.sha256(), 0
    try:
        with open(draft, "wb", opener=_private) as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return digest.hexdigest(), size


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
