"""The simple types of 3MF: what an attribute's value may look like (core specification, appendix B)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final

_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RE_NUMBER = re.compile(_NUMBER)
_RE_NUMBERS = re.compile(rf"{_NUMBER}(?: +{_NUMBER})*")
_RE_MATRIX = re.compile(rf"{_NUMBER}(?:\s+{_NUMBER}){{11,15}}")
_RE_INDEX = re.compile(r"\+?[0-9]{1,10}")
_RE_INDICES = re.compile(r"[0-9]{1,10}(?:\s+[0-9]{1,10})*")
_RE_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?")
_RE_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_RE_QNAME = re.compile(r"[^\W\d][\w.\-]*(?::[\w.\-]+)?")  # as in BambuStudio:3mfVersion
_INDEX_MAX = 2**31 - 1

Check = Callable[[str], bool]


def number(text: str) -> float | None:
    """The value of an ST_Number, or None when `text` is none or not finite."""
    trimmed = text.strip(" \t\r\n")
    if not _RE_NUMBER.fullmatch(trimmed):
        return None
    value = float(trimmed)
    return value if math.isfinite(value) else None


def index(text: str) -> int | None:
    """The value of an ST_ResourceIndex (0 … 2³¹−1), or None."""
    trimmed = text.strip(" \t\r\n")
    if not _RE_INDEX.fullmatch(trimmed):
        return None
    value = int(trimmed)
    return value if value <= _INDEX_MAX else None


def resource_id(text: str) -> int | None:
    """The value of an ST_ResourceID (1 … 2³¹−1), or None."""
    value = index(text)
    return value or None


def numbers(text: str) -> list[float] | None:
    """The values of a list of ST_Number, or None."""
    trimmed = text.strip(" \t\r\n")
    if not _RE_NUMBERS.fullmatch(trimmed):
        return None
    values = [float(word) for word in trimmed.split()]
    return values if all(map(math.isfinite, values)) else None


def indices(text: str) -> list[int] | None:
    """The values of a list of indices, or None."""
    trimmed = text.strip(" \t\r\n")
    return [int(word) for word in trimmed.split()] if _RE_INDICES.fullmatch(trimmed) else None


def matrix(text: str) -> list[float] | None:
    """Twelve (up to sixteen, judged later) finite numbers of a transform, or None."""
    trimmed = text.strip(" \t\r\n")
    if not _RE_MATRIX.fullmatch(trimmed):
        return None
    values = [float(word) for word in trimmed.split()]
    return values if all(map(math.isfinite, values)) else None


def one_of(*words: str) -> Check:
    """A check for an enumeration."""
    allowed = frozenset(words)
    return lambda text: text.strip(" \t\r\n") in allowed


def _unit_number(text: str) -> bool:
    value = number(text)
    return value is not None and 0 <= value <= 1


def _positive(text: str) -> bool:
    value = number(text)
    return value is not None and value > 0


def _not_negative(text: str) -> bool:
    value = number(text)
    return value is not None and value >= 0


def _part_path(text: str) -> bool:
    return text.startswith("/") and not any(segment in ("", ".", "..") for segment in text[1:].split("/"))


TYPES: Final[dict[str, Check]] = {
    "text": lambda _text: True,
    "number": lambda text: number(text) is not None,
    "positive": _positive,
    "not_negative": _not_negative,
    "unit_number": _unit_number,
    "numbers": lambda text: numbers(text) is not None,
    "index": lambda text: index(text) is not None,
    "indices": lambda text: indices(text) is not None,
    "id": lambda text: resource_id(text) is not None,
    "ids": lambda text: indices(text) is not None and 0 not in (indices(text) or []),
    "matrix": lambda text: matrix(text) is not None,
    "colour": lambda text: bool(_RE_COLOUR.fullmatch(text.strip(" \t\r\n"))),
    "uuid": lambda text: bool(_RE_UUID.fullmatch(text.strip(" \t\r\n"))),
    "qname": lambda text: bool(_RE_QNAME.fullmatch(text.strip(" \t\r\n"))),
    "path": _part_path,
    "bool": one_of("true", "false", "0", "1"),
}
