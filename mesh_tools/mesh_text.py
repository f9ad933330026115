"""Lines and numbers of meshes in plain text (OBJ, PLY, OFF): decimal ones; lines every reader sees."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]

LINE_BYTES_MAX = 1 << 20
_DECIMAL = rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_DECIMALS = re.compile(rb"%b(?: %b)*" % (_DECIMAL, _DECIMAL))
_WHOLE = re.compile(rb"-?[0-9]{1,10}(?: -?[0-9]{1,10})*")
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_BARE_RETURN = re.compile(rb"\r(?!\n)")


def lines_of(data: memoryview | bytes, kind: str) -> list[bytes]:
    """The lines of `data`; Refused where a control character would split or end them for some readers."""
    text = bytes(data)
    if b"\0" in text or b"\x0b" in text or b"\x0c" in text:
        raise unreadable(kind, "the text holds control characters")
    if b"\r" in text:
        if _BARE_RETURN.search(text):
            raise unreadable(kind, "a carriage return stands within a line")
        text = text.replace(b"\r\n", b"\n")
    lines = text.split(b"\n")
    if max(map(len, lines)) > LINE_BYTES_MAX:
        raise unreadable(kind, f"a line is longer than {LINE_BYTES_MAX} bytes")
    return lines


def decimals(words: Sequence[bytes], kind: str) -> Numbers:
    """The values (n,) of decimal numbers; Refused for any other word, also for NaN and infinity."""
    if not words:
        return np.zeros(0)
    if not _DECIMALS.fullmatch(b" ".join(words)):
        wrong = next(word for word in words if not _DECIMALS.fullmatch(word))
        if _NOT_FINITE.fullmatch(wrong):
            raise Refused("mesh.not_finite", f"{kind}: a coordinate is {wrong.decode('ascii')}.")
        raise unreadable(kind, f"{wrong[:20]!r} is no decimal number")
    values = np.array(list(map(float, words)), np.float64)
    if not np.isfinite(values).all():
        raise Refused("mesh.not_finite", f"{kind}: a coordinate is too large.")
    return values


def integers(words: Sequence[bytes], kind: str) -> Integers:
    """The values (n,) of decimal integers of up to ten digits; Refused for any other word."""
    if not words:
        return np.zeros(0, np.int64)
    if not _WHOLE.fullmatch(b" ".join(words)):
        wrong = next(word for word in words if not _WHOLE.fullmatch(word))
        raise unreadable(kind, f"{wrong[:20]!r} is no whole number")
    return np.array(list(map(int, words)), np.int64)


def unreadable(kind: str, message: str) -> Refused:
    """The refusal of a file that does not follow its format."""
    return Refused("format.unreadable", f"{kind}: {message}.")
