"""Parsing of key back ends' addresses; secrets come from owner-only files that an address names."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import parse_qsl

from storage.errors import KeyUnavailable, UriInvalid


def split_options(uri: str, rest: str, allowed: frozenset[str]) -> tuple[str, dict[str, str]]:
    """Split `rest` at its `?` into the place and its options; `UriInvalid` for an option not `allowed`."""
    place, _, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    unknown = sorted(set(options) - allowed)
    if unknown or len(options) < len(pairs) or not all(options.values()):
        hint = ", ".join(sorted(allowed))
        raise UriInvalid(f"key back end {uri!r} takes each of {hint} at most once, with a value")
    return place, options


def read_secret(path: Path) -> str:
    """Return the one line in `path`; `KeyUnavailable` where it is missing, empty or readable by others."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        line = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise KeyUnavailable(f"the secret file {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise KeyUnavailable(
            f"the secret file {path} (mode {mode:04o}) is open to others; run chmod 600 on it"
        )
    if not line:
        raise KeyUnavailable(f"the secret file {path} is empty; write the token or PIN into it")
    return line
