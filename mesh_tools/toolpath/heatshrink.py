"""Heatshrink, expanded: LZSS with a window of 2^w bytes, as binary G-code uses it (w = 11 or 12, l = 4).

Bits come highest first: 1 and eight bits are a byte; 0, w bits (distance − 1) and l bits (length − 1) repeat
what was written before. The tokens' places are found one after another, everything else at once: a byte's
source is followed, doubling the step each time, until it is a byte of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused

LOOKAHEAD_BITS = 4
_LITERAL_BITS = 9

Integers = NDArray[np.int64]


def expand(packed: bytes, size: int, window_bits: int) -> bytes:
    """The `size` bytes that `packed` stands for; Refused when it does not stand for exactly that many."""
    starts = _token_starts(packed, window_bits)
    if not len(starts):
        return _exactly(b"", size)
    words = _words(packed, starts)
    literal = (words >> 31) == 1
    values = (words >> 23) & 0xFF
    distances = ((words >> (31 - window_bits)) & (2**window_bits - 1)) + 1
    counts = ((words >> (31 - window_bits - LOOKAHEAD_BITS)) & (2**LOOKAHEAD_BITS - 1)) + 1
    lengths = np.where(literal, 1, counts)
    ends = np.cumsum(lengths)
    last = int(np.searchsorted(ends, size))
    if last >= len(ends) or ends[last] != size:
        raise _bad(f"The compressed bytes give {int(ends[-1])} bytes where {size} were declared.")
    used = slice(0, last + 1)
    stop = int(starts[last]) + (_LITERAL_BITS if literal[last] else 1 + window_bits + LOOKAHEAD_BITS)
    _check_padding(packed, stop)
    begins = ends[used] - lengths[used]
    back = np.where(literal[used], 0, distances[used])
    if (begins < back).any():
        raise _bad("The compressed bytes repeat what lies before their beginning.")
    source = (np.arange(size) - np.repeat(back, lengths[used])).astype(np.int32)
    written = np.zeros(size, np.uint8)
    written[begins[literal[used]]] = values[used][literal[used]]
    return written[_roots(source)].tobytes()


def _token_starts(packed: bytes, window_bits: int) -> Integers:
    """Bit places where tokens begin, the last whole one included."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8)).tobytes()
    steps = (1 + window_bits + LOOKAHEAD_BITS, _LITERAL_BITS)
    total = len(bits)
    starts = []
    place = 0
    while place < total:
        after = place + steps[bits[place]]
        if after > total:
            break
        starts.append(place)
        place = after
    return np.array(starts, np.int64)


def _words(packed: bytes, starts: Integers) -> Integers:
    """The 32 bits from each place on, as far as whole bytes reach (at least 25 of them are sound)."""
    padded = np.frombuffer(packed + bytes(4), np.uint8)
    fours = np.ndarray((len(packed) + 1,), np.dtype(">u4"), padded, strides=(1,))
    words: Integers = (fours[starts >> 3].astype(np.int64) << (starts & 7)) & 0xFFFFFFFF
    return words


def _roots(source: NDArray[np.int32]) -> NDArray[np.int32]:
    while True:
        further = source[source]
        if np.array_equal(further, source):
            return source
        source = further


def _check_padding(packed: bytes, stop: int) -> None:
    rest = len(packed) * 8 - stop
    if rest >= 8 or (rest and packed[-1] & ((1 << rest) - 1)):
        raise _bad("Bytes follow the end of the compressed text.")


def _exactly(found: bytes, size: int) -> bytes:
    if len(found) != size:
        raise _bad(f"The compressed bytes give {len(found)} bytes where {size} were declared.")
    return found


def _bad(message: str) -> Refused:
    return Refused("toolpath.container", message)
