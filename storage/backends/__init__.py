"""Object stores behind one port, chosen by address: `local:/path`, `s3://bucket/prefix`, `memory:`."""

from __future__ import annotations

from pathlib import Path

from storage.backends.base import ObjectStat, ObjectStore, PutResult
from storage.backends.local import LocalObjects
from storage.backends.memory import MemoryObjects
from storage.errors import UriInvalid

__all__ = ["ObjectStat", "ObjectStore", "PutResult", "open_objects"]


def open_objects(uri: str) -> ObjectStore:
    """Open the object store at `uri`; raises `UriInvalid` for an address no back end understands."""
    scheme, _, rest = uri.partition(":")
    if scheme == "local" and rest:
        return LocalObjects(Path(rest))
    if scheme == "memory" and not rest:
        return MemoryObjects()
    if scheme == "s3":
        from storage.backends.s3 import open_s3  # the SDK is slow to load and most installations need none

        return open_s3(uri)
    raise UriInvalid(f"object store {uri!r} is not understood; use local:/path, s3://bucket or memory:")
