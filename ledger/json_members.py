"""Members of JSON documents, read strictly: TypedDataError names the member that is wrong. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from ledger.errors import TypedDataError
from ledger.solidity import from_json

LABEL_CHARS_MAX: Final = 64
_LABEL: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
_T = TypeVar("_T")


def members(data: object, at: str, names: Sequence[str]) -> Mapping[str, Any]:
    """Return an object that has exactly these members."""
    if not isinstance(data, Mapping):
        raise TypedDataError(at, "must be an object")
    for name in data:
        if name not in names:
            raise TypedDataError(f"{at}.{name}", "does not belong here")
    for name in names:
        if name not in data:
            raise TypedDataError(f"{at}.{name}", "is missing")
    return data


def array(value: object, at: str, most: int) -> list[Any]:
    """Return a list of at most `most` items."""
    if not isinstance(value, list) or len(value) > most:
        raise TypedDataError(at, f"must be a list of at most {most}")
    return value


def text(value: object, at: str, most: int, *, least: int = 1) -> str:
    """Return printable text of `least` to `most` characters, without spaces at its ends."""
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise TypedDataError(at, f"must be text of {least} to {most} characters")
    if not value.isprintable() or value != value.strip():
        raise TypedDataError(at, "must be printable, without spaces at its ends")
    return value


def label(value: object, at: str) -> str:
    """Return a label: 1 to 64 printable ASCII characters, without spaces at its ends."""
    if not isinstance(value, str) or not _LABEL.fullmatch(value):
        raise TypedDataError(
            at, f"must be 1 to {LABEL_CHARS_MAX} printable ASCII characters, without spaces at its ends"
        )
    return value


def integer(value: object, at: str, least: int, most: int) -> int:
    """Return an integer from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise TypedDataError(at, f"must be an integer from {least} to {most}")
    return value


def hash32(value: object, at: str) -> bytes:
    """Return the 32 bytes that 0x-hex in lower case spells."""
    raw = from_json(at, "bytes32", value)
    if not isinstance(raw, bytes) or value != "0x" + raw.hex():
        raise TypedDataError(at, "must be in lower case")
    return raw


def maybe(read: Callable[[object, str], _T], value: object, at: str) -> _T | None:
    """Return what `read` makes of a value, None of null."""
    return None if value is None else read(value, at)
