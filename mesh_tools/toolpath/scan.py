"""Lines of G-code, a chunk at once: moves as columns of numbers, every other line handed on as it stands.

A move is taken when it has the plain form: `G0` to `G3`, then words of a capital letter and a decimal number,
separated by blanks. Every byte of the line is accounted for; a line with any other byte, a word twice, a word
without number or a letter that a move does not have is handed on as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

CODE_CHARACTERS_MAX = 256
MOVE_LETTERS = "XYZEF"
ARC_LETTERS = "IJRP"
_DIGIT, _LETTER, _POINT, _SIGN, _BLANK, _END, _OTHER = range(7)
_PAD = 8
_DIGITS_MAX = 7
_POWERS = np.array([10.0**k for k in range(_DIGITS_MAX + 1)])


def _kinds() -> bytes:
    table = [_OTHER] * 256
    for kind, letters in (
        (_DIGIT, b"0123456789"), (_LETTER, bytes(range(65, 91))), (_POINT, b"."), (_SIGN, b"+-"),
        (_BLANK, b" \t"), (_END, b"\n"),
    ):  # fmt: skip
        for letter in letters:
            table[letter] = kind
    return bytes(table)


_KINDS = _kinds()


@dataclass(frozen=True, eq=False)
class Column:
    """The values of one letter: `values[i]` stands in move `rows[i]`, rows ascending, none twice."""

    rows: Integers
    values: Numbers


@dataclass(frozen=True, eq=False)
class Scanned:
    """A chunk: its number of lines; of each move its line (counted from 0) and number 0 … 3; the columns by
    letter; and the other lines that are not blank, with their numbers, in order.
    """

    lines: int
    move_lines: Integers
    move_kinds: Bytes
    columns: dict[str, Column]
    others: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, eq=False)
class _Marks:
    """Where the bytes that are no digit stand, of which kind they are, and which of them start a word."""

    buffer: Bytes
    at: Integers
    kind: Bytes
    words: Integers
    ends: Integers
    line_of_word: Integers
    first_word: Integers


def scan(text: bytes) -> Scanned:
    """Scan `text`: whole lines of ASCII without comments, each ended by a line feed."""
    padded = b" " * _PAD + text
    kinds = np.frombuffer(padded.translate(_KINDS), np.uint8)
    marks, full = _mark(padded, kinds)
    moves, odd = _moves(marks, full), _odd_lines(marks, kinds)
    plain = moves & ~odd
    columns, wrong = _columns(marks, plain)
    if wrong.any():
        plain &= ~wrong
        columns, _ = _columns(marks, plain)
    starts = np.concatenate([[_PAD], marks.at[marks.ends[:-1]] + 1])
    rest = np.flatnonzero((full | odd) & ~plain)
    stops = marks.at[marks.ends]
    others = [(int(line), padded[starts[line] : stops[line]].strip()) for line in rest]
    rows = np.flatnonzero(plain)
    return Scanned(len(starts), rows, _move_kinds(marks, plain), columns, others)


def _mark(padded: bytes, kinds: Bytes) -> tuple[_Marks, Mask]:
    """The marks of a chunk, and which lines hold a word."""
    at = np.flatnonzero(kinds != _DIGIT)
    kind = kinds[at]
    is_word = kind == _LETTER
    words, ends = np.flatnonzero(is_word), np.flatnonzero(kind == _END)
    until = np.cumsum(is_word, dtype=np.int64)[ends]
    counts = np.diff(until, prepend=0)
    line_of_word = np.repeat(np.arange(len(ends)), counts)
    buffer = np.frombuffer(padded, np.uint8)
    return _Marks(buffer, at, kind, words, ends, line_of_word, until - counts), counts > 0


def _moves(marks: _Marks, full: Mask) -> Mask:
    """Lines whose first word is G0 to G3."""
    found = np.zeros(len(marks.ends), bool)
    rows = np.flatnonzero(full)
    if not len(rows):
        return found
    first = marks.words[marks.first_word[rows]]
    at = marks.at[first]
    code = marks.buffer[at + 1]
    after = marks.kind[first + 1]
    found[rows] = (
        (marks.buffer[at] == ord("G")) & (code >= ord("0")) & (code <= ord("3"))
        & (marks.at[first + 1] == at + 2) & ((after == _BLANK) | (after == _END))
    )  # fmt: skip
    return found


def _move_kinds(marks: _Marks, plain: Mask) -> Bytes:
    """The digit after the G of the plain lines."""
    first = marks.at[marks.words[marks.first_word[plain]]]
    kinds: Bytes = marks.buffer[first + 1] - np.uint8(ord("0"))
    return kinds


def _odd_lines(marks: _Marks, kinds: Bytes) -> Mask:
    """Lines with a byte of no kind, a number that follows no letter, or too many characters."""
    odd = np.zeros(len(marks.ends), bool)
    ends = marks.at[marks.ends]
    odd |= np.diff(ends, prepend=_PAD - 1) > CODE_CHARACTERS_MAX + 1
    gaps = marks.at[marks.kind >= _BLANK]
    gaps = gaps[: np.searchsorted(gaps, len(kinds) - 1)]
    after = kinds[gaps + 1]
    strange = gaps[(after != _LETTER) & (after < _BLANK)] + 1
    other = marks.at[marks.kind == _OTHER]
    for places in (strange, other):
        odd[np.searchsorted(ends, places)] = True
    return odd


def _columns(marks: _Marks, plain: Mask) -> tuple[dict[str, Column], Mask]:
    """The columns of the plain lines, and which of these lines turn out not to be plain."""
    mine = plain[marks.line_of_word]
    mine[marks.first_word[plain]] = False
    chosen = marks.words[mine]
    row_of_line = np.cumsum(plain) - 1
    line = marks.line_of_word[mine]
    rows = row_of_line[line]
    values, good = _values(marks, chosen)
    kinds = _move_kinds(marks, plain)
    letters = marks.buffer[marks.at[chosen]]
    known = np.zeros(len(chosen), bool)
    columns: dict[str, Column] = {}
    for letter in MOVE_LETTERS + ARC_LETTERS:
        place = np.flatnonzero(letters == ord(letter))
        if not len(place):
            continue
        column = Column(rows[place], values[place])
        known[place[1:]] = column.rows[1:] != column.rows[:-1]
        known[place[0]] = True
        if letter in ARC_LETTERS:
            known[place] &= kinds[column.rows] >= 2
        columns[letter] = column
    wrong = np.zeros(len(plain), bool)
    wrong[line[~(good & known)]] = True
    return columns, wrong


def _values(marks: _Marks, words: Integers) -> tuple[Numbers, Mask]:
    """The decimal number after each of `words`, exactly rounded, and whether it is one and stands apart."""
    at, kind = marks.at, marks.kind
    begin = at[words] + 1
    apart = (kind[words - 1] == _BLANK) & (at[words - 1] == begin - 2)
    place = words + 1
    signed = (kind[place] == _SIGN) & (at[place] == begin)
    begin = begin + signed
    place = place + signed
    point = at[place]
    pointed = kind[place] == _POINT
    place += pointed
    end = at[place]
    whole_digits = point - begin
    part_digits = end - point - pointed
    closing = kind[place]
    good = apart & (whole_digits + part_digits > 0) & ((closing == _BLANK) | (closing == _END))
    negative = signed & (marks.buffer[begin - 1] == ord("-"))
    small = (whole_digits <= _DIGITS_MAX) & (part_digits <= _DIGITS_MAX)
    whole = _digits(marks.buffer, point, np.minimum(whole_digits, _DIGITS_MAX))
    part = _digits(marks.buffer, end, np.minimum(part_digits, _DIGITS_MAX))
    power = _POWERS[np.minimum(part_digits, _DIGITS_MAX)]
    values = (whole * power + part) / power
    for row in np.flatnonzero(good & ~small):
        values[row] = float(bytes(marks.buffer[begin[row] : end[row]]))
    np.negative(values, out=values, where=negative)
    return values, good


def _digits(buffer: Bytes, end: Integers, count: Integers) -> Numbers:
    """The value of the `count` (0 … 7) decimal digits before each `end`, eight bytes in one 64-bit word.

    The first digit is the lowest byte; neighbours are joined to pairs, fours and eights by multiplication.
    """
    eights = np.ndarray((len(buffer) - 7,), np.dtype("<u8"), buffer, strides=(1,))
    word = eights[end - 8]
    shift = (64 - 8 * count).astype(np.uint64)
    word &= np.uint64(0x0F0F0F0F0F0F0F0F)
    word >>= np.minimum(shift, np.uint64(63))
    word <<= np.minimum(shift, np.uint64(63))
    word = (word * np.uint64(2561)) >> np.uint64(8)
    word &= np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(6553601)) >> np.uint64(16)
    word &= np.uint64(0x0000FFFF0000FFFF)
    word = (word * np.uint64(42949672960001)) >> np.uint64(32)
    return word.astype(np.float64)
