"""Key back ends behind one port, chosen by address: `file:/path`."""

from __future__ import annotations

from pathlib import Path

from storage.errors import UriInvalid
from storage.keys.base import KeyBackend, WrappedKey
from storage.keys.file import FileKeys

__all__ = ["KeyBackend", "WrappedKey", "open_keys"]


def open_keys(uri: str) -> KeyBackend:
    """Open the key back end at `uri`; raises `UriInvalid` for an address no back end understands."""
    scheme, _, rest = uri.partition(":")
    if scheme == "file" and rest:
        return FileKeys(Path(rest))
    raise UriInvalid(f"key back end {uri!r} is not understood; use file:/path")
