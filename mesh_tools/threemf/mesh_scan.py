"""Vertices and triangles by the million: the plain form of a mesh's lists, scanned without a parser.

A list is taken only when every element has the same attributes in the same order as the first, quoted
with `"`, empty, unprefixed and with nothing but space between; any other form is left to the XML parser.
Numbers are held to the grammar of the 3MF core specification (ST_Number, ST_ResourceIndex).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits

_OPEN = re.compile(rb"<(vertices|triangles)>")
_FIRST = re.compile(rb'\s*<(vertex|triangle)((?:\s+[A-Za-z0-9]+="[^"<>&]*")+)\s*/>')
_NAMES = re.compile(rb'\s+([A-Za-z0-9]+)="[^"<>&]*"')
_ITEM = {b"vertices": b"vertex", b"triangles": b"triangle"}
_ALLOWED = {b"vertex": {b"x", b"y", b"z"}, b"triangle": {b"v1", b"v2", b"v3", b"pid", b"p1", b"p2", b"p3"}}
_NEEDED = {b"vertex": {b"x", b"y", b"z"}, b"triangle": {b"v1", b"v2", b"v3"}}
_DIGITS = b"0123456789"
_NUMBER_BYTES = _DIGITS + b"+-.eE"
_POINT_WITHOUT_DIGIT = re.compile(rb"\.(?![0-9])")
_INDEX_DIGITS_MAX = 10
_INDEX_MAX = 2**31 - 1
_CHUNK = 1 << 20
_SHORT = 2048


@dataclass(frozen=True, eq=False)
class Bulk:
    """A scanned list: the element it stood in and its columns by attribute name, float64 or int64 (n,)."""

    element: str
    columns: dict[str, NDArray[np.float64] | NDArray[np.int64]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def cut_lists(data: bytes, mark: str, limits: Limits) -> tuple[bytes, list[Bulk]]:
    """Replace the content of every plain list by `<?mark n?>`; returns what remains, and the lists."""
    kept: list[bytes] = []
    lists: list[Bulk] = []
    position = 0
    for opening in _OPEN.finditer(data):
        if opening.start() < position:
            continue
        element = opening.group(1)
        end = data.find(b"</" + element + b">", opening.end())
        if end < 0 or end - opening.end() < _SHORT:
            continue
        bulk = _scan(data[opening.end() : end], element, limits)
        if bulk is not None:
            kept += [data[position : opening.end()], f"<?{mark} {len(lists)}?>".encode()]
            lists.append(bulk)
            position = end
    kept.append(data[position:])
    return b"".join(kept), lists


def _scan(text: bytes, element: bytes, limits: Limits) -> Bulk | None:
    item = _ITEM[element]
    first = _FIRST.match(text)
    if first is None or first.group(1) != item:
        return None
    names = _NAMES.findall(first.group(2))
    if len(set(names)) != len(names) or not _NEEDED[item] <= set(names) <= _ALLOWED[item]:
        return None
    pieces: list[list[NDArray[np.float64] | NDArray[np.int64]]] = []
    rows, start = 0, 0
    while start < len(text):
        end = _item_end(text, start)
        piece = _scan_chunk(text[start:end], item, names)
        if piece is None:
            return None
        if len(piece):
            pieces.append(piece)
            rows += len(piece[0])
        if rows > limits.facets_max:
            raise Refused("limit.facets", f"More than {limits.facets_max} elements in a list of the mesh.")
        start = end
    columns = {
        name.decode(): np.concatenate([piece[place] for piece in pieces]) for place, name in enumerate(names)
    }
    return Bulk(element.decode(), columns)


def _item_end(text: bytes, start: int) -> int:
    """End of the last whole element before `start` + one chunk, or the end of the text."""
    if start + _CHUNK >= len(text):
        return len(text)
    end = text.rfind(b"/>", start, start + _CHUNK)
    return len(text) if end < 0 else end + 2


def _scan_chunk(
    text: bytes, item: bytes, names: list[bytes]
) -> list[NDArray[np.float64] | NDArray[np.int64]] | None:
    """Columns of the elements in `text`, or None when it is not of the plain form."""
    parts = text.split(b'"')
    period = 2 * len(names)
    tail = parts.pop()
    if not parts:
        return [] if not tail.strip() else None
    if len(parts) % period or tail.strip() != b"/>":
        return None
    heads = {part.lstrip() for part in parts[period::period]}
    opening = b"<" + item
    if parts[0].split() != [opening, names[0] + b"="]:
        return None
    for head in heads:
        words = head.split()
        if words not in ([b"/>", opening, names[0] + b"="], [b"/><" + item, names[0] + b"="]):
            return None
    for place, name in enumerate(names[1:], 1):
        if {part.strip() for part in set(parts[2 * place :: period])} != {name + b"="}:
            return None
        if any(not part[:1].isspace() for part in set(parts[2 * place :: period])):
            return None
    read = _numbers if item == b"vertex" else _indices
    columns = [read(parts[2 * place + 1 :: period]) for place in range(len(names))]
    present = [column for column in columns if column is not None]
    return present if len(present) == len(columns) else None


def _numbers(words: list[bytes]) -> NDArray[np.float64] | None:
    joined = b" ".join(words)
    if joined.translate(None, _NUMBER_BYTES + b" ") or _POINT_WITHOUT_DIGIT.search(joined):
        return None
    try:
        values = np.array(list(map(float, words)), np.float64)
    except ValueError:
        return None
    return values if bool(np.isfinite(values).all()) else None


def _indices(words: list[bytes]) -> NDArray[np.int64] | None:
    if b"".join(words).translate(None, _DIGITS) or max(map(len, words)) > _INDEX_DIGITS_MAX:
        return None
    try:
        values = np.array(list(map(int, words)), np.int64)
    except ValueError:
        return None
    return values if int(values.max()) <= _INDEX_MAX else None
