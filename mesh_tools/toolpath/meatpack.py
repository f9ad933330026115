"""MeatPack, unpacked: G-code as pairs of four-bit characters, as binary G-code uses it.

A byte holds two characters of `0123456789. \\nGX`, the first in its low half; 15 stands for a whole byte that
follows. Two bytes of 255 announce a command: packing on or off, blanks left out (11 means `E` then) or not.
After a line feed in the low half the high half says nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused

_SIGNAL = b"\xff\xff"
_ON, _OFF, _RESET, _NO_BLANKS, _BLANKS = 251, 250, 249, 247, 246
_WHOLE, _FEED, _BLANK = 15, 12, 11
_CHARACTERS = b"0123456789. \nGX\0"
_STEPS = bytes(
    1 + (byte & 15 == _WHOLE) + (byte >> 4 == _WHOLE and byte & 15 != _FEED) for byte in range(256)
)


def unpack(packed: bytes) -> bytes:
    """The text of `packed`; Refused when it ends within a character or holds an unknown command.

    Lines of G commands, whose blanks were left out, get one before every word.
    """
    pieces = []
    packing = no_blanks = False
    parts = packed.split(_SIGNAL)
    for number, part in enumerate(parts):
        body = part
        if number:
            if not part:
                raise _bad("A command of the packed text is missing.")
            packing, no_blanks = _command(part[0], packing, no_blanks)
            body = part[1:]
        if body:
            pieces.append(_pairs(body, no_blanks) if packing else body)
    text = b"".join(pieces)
    return spaced(text)


def spaced(text: bytes) -> bytes:
    """`text` with a blank before every word of a line that begins with G."""
    letters = np.frombuffer(text, np.uint8)
    if not len(letters):
        return text
    capital = (letters >= 65) & (letters <= 90)
    before = np.concatenate([[10], letters[:-1]])
    joined = np.flatnonzero(capital & (before != 32) & (before != 9) & (before != 10))
    if not len(joined):
        return text
    feeds = np.flatnonzero(letters == 10)
    starts = np.concatenate([[0], feeds + 1])
    first = starts[np.searchsorted(feeds, joined)]
    semicolons = np.flatnonzero(letters == ord(";"))
    following = np.concatenate([semicolons, [len(letters)]])[np.searchsorted(semicolons, first)]
    wanted = joined[(letters[first] == ord("G")) & (joined < following)]
    return np.insert(letters, wanted, 32).tobytes()


def _command(byte: int, packing: bool, no_blanks: bool) -> tuple[bool, bool]:
    if byte in (_ON, _OFF, _RESET):
        return byte == _ON, no_blanks and byte != _RESET
    if byte in (_NO_BLANKS, _BLANKS):
        return packing, byte == _NO_BLANKS
    raise _bad(f"The packed text holds an unknown command, {byte}.")


def _pairs(packed: bytes, no_blanks: bool) -> bytes:
    starts = []
    place, total = 0, len(packed)
    while place < total:
        starts.append(place)
        place += _STEPS[packed[place]]
    if place != total:
        raise _bad("The packed text ends within a character.")
    at = np.array(starts, np.int64)
    buffer = np.frombuffer(packed + bytes(2), np.uint8)
    table = np.frombuffer(_CHARACTERS, np.uint8).copy()
    if no_blanks:
        table[_BLANK] = ord("E")
    low, high = buffer[at] & 15, buffer[at] >> 4
    whole = low == _WHOLE
    first = np.where(whole, buffer[at + 1], table[low])
    second = np.where(high == _WHOLE, buffer[at + 1 + whole], table[high])
    pairs: NDArray[np.uint8] = np.stack([first, second], axis=1)
    kept = np.ones(pairs.shape, bool)
    kept[:, 1] = low != _FEED
    return pairs[kept].tobytes()


def _bad(message: str) -> Refused:
    return Refused("toolpath.container", message)
