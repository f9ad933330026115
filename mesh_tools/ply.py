"""PLY (Stanford polygon format) 1.0, ASCII and binary in both byte orders, read strictly.

Taken: an element `vertex` with x, y and z, and an element `face` with one list of integers named
`vertex_indices` or `vertex_index`. Other properties and elements are walked over. The counts must be right:
nothing is missing and nothing follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.mesh_text import Integers, decimals, integers, lines_of, unreadable
from mesh_tools.model import Body, Model
from mesh_tools.polygons import triangulated

_HEADER_BYTES_MAX = 1 << 16
_END = b"end_header"
_TYPES: Final = {
    b"char": "i1", b"int8": "i1", b"uchar": "u1", b"uint8": "u1", b"short": "i2", b"int16": "i2",
    b"ushort": "u2", b"uint16": "u2", b"int": "i4", b"int32": "i4", b"uint": "u4", b"uint32": "u4",
    b"float": "f4", b"float32": "f4", b"double": "f8", b"float64": "f8",
}  # fmt: skip
_FORMATS: Final = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}
_CORNERS: Final = (b"vertex_indices", b"vertex_index")


_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Property:
    name: bytes
    type: str
    count_type: str | None


@dataclass(frozen=True, slots=True)
class _Element:
    name: bytes
    count: int
    properties: tuple[_Property, ...]


@dataclass(frozen=True, eq=False)
class _Rows:
    """An element's scalars by name and the one list that is wanted: its sizes and its values."""

    scalars: dict[bytes, NDArray[Any]]
    sizes: Integers
    values: Integers


def load_ply(data: memoryview, limits: Limits) -> Model:
    """Read `data`; raises Refused."""
    order, elements, start = _header(data)
    names = [element.name for element in elements]
    if b"vertex" not in names or len(set(names)) != len(names):
        raise unreadable("ply", "it needs one element vertex, and no element twice")
    if b"tristrips" in names:
        raise unreadable("ply", "triangle strips are not read")
    most = max(limits.vertices_max, limits.facets_max)
    if any(element.count > most for element in elements):
        raise Refused("limit.vertices", f"ply: an element is declared more than {most} times.")
    rows = _binary(data, order, elements, start) if order else _ascii(data, elements, start)
    vertex, face = rows[b"vertex"], rows.get(b"face")
    if not {b"x", b"y", b"z"} <= set(vertex.scalars):
        raise unreadable("ply", "the vertices lack x, y or z")
    points = np.stack([vertex.scalars[axis].astype(np.float64) for axis in (b"x", b"y", b"z")], axis=1)
    if face is None or (len(points) and not len(face.sizes)):
        raise Refused("content.no_mesh", "ply: the file holds points only.")
    return Model("ply", (Body(points, triangulated(points, face.sizes, face.values, limits)),))


def _header(data: memoryview) -> tuple[str, list[_Element], int]:
    """The byte order ("" for ASCII), the elements, and where the body begins."""
    head = bytes(data[:_HEADER_BYTES_MAX])
    place = head.find(b"\n" + _END)
    finish = head.find(b"\n", place + 1)
    if place < 0 or finish < 0:
        raise unreadable("ply", f"no {_END.decode()} within {_HEADER_BYTES_MAX} bytes")
    lines = [line.split() for line in lines_of(head[: finish + 1], "ply")]
    if lines[0] != [b"ply"] or len(lines[1]) != 3 or lines[1][0] != b"format" or lines[1][2] != b"1.0":
        raise unreadable("ply", "it does not begin with ply and format … 1.0")
    if lines[1][1] not in _FORMATS or lines[-2:] != [[_END], []]:
        raise unreadable("ply", "the header's first or last line is wrong")
    elements: list[_Element] = []
    for words in lines[2:-2]:
        if not words:
            raise unreadable("ply", "a line of the header is blank")
        if words[0] in (b"comment", b"obj_info"):
            continue
        if words[0] == b"element" and len(words) == 3 and words[2].isdigit() and len(words[2]) <= 12:
            elements.append(_Element(words[1], int(words[2]), ()))
        elif words[0] == b"property" and elements:
            elements[-1] = _with_property(elements[-1], words[1:])
        else:
            raise unreadable("ply", f"{words[0][:20]!r} in the header is not known")
    return _FORMATS[lines[1][1]], elements, finish + 1


def _with_property(element: _Element, words: list[bytes]) -> _Element:
    if len(words) == 2 and words[0] in _TYPES:
        found = _Property(words[1], _TYPES[words[0]], None)
    elif len(words) == 4 and words[0] == b"list" and words[1] in _TYPES and words[2] in _TYPES:
        found = _Property(words[3], _TYPES[words[2]], _TYPES[words[1]])
    else:
        raise unreadable("ply", f"a property of {element.name[:20]!r} is not known")
    if found.name in [other.name for other in element.properties]:
        raise unreadable("ply", f"the property {found.name[:20]!r} stands twice")
    if found.count_type is not None and found.count_type[0] == "f":
        raise unreadable("ply", f"the list {found.name[:20]!r} is counted by a float")
    return _Element(element.name, element.count, (*element.properties, found))


def _wanted(element: _Element) -> int | None:
    """The place of the list of corners among an element's properties."""
    if element.name != b"face":
        return None
    places = [place for place, row in enumerate(element.properties) if row.name in _CORNERS]
    if len(places) != 1:
        raise unreadable("ply", "the faces need one list vertex_indices")
    corners = element.properties[places[0]]
    if corners.count_type is None or corners.type[0] == "f":
        raise unreadable("ply", "the corners of faces are no list of integers")
    return places[0]


def _ascii(data: memoryview, elements: list[_Element], start: int) -> dict[bytes, _Rows]:
    lines = _body(data[start:])
    found, place = {}, 0
    for element in elements:
        rows = lines[place : place + element.count]
        place += element.count
        if len(rows) != element.count:
            raise unreadable("ply", f"{element.count} of {element.name[:20]!r} declared, {len(rows)} there")
        found[element.name] = _ascii_rows(rows, element)
    if place != len(lines):
        raise unreadable("ply", "lines follow the last element")
    return found


def _body(data: memoryview) -> list[list[bytes]]:
    """The words of each line; blank ones, which readers take differently, only at the end."""
    lines = [line.split() for line in lines_of(data, "ply")]
    while lines and not lines[-1]:
        lines.pop()
    if not all(lines):
        raise unreadable("ply", "a line is blank")
    return lines


def _ascii_rows(rows: list[list[bytes]], element: _Element) -> _Rows:
    wanted = _wanted(element)
    scalars: dict[bytes, list[bytes]] = {row.name: [] for row in element.properties if row.count_type is None}
    if len(scalars) == len(element.properties):
        width = len(scalars)
        if any(len(row) != width for row in rows):
            raise unreadable("ply", f"a line of {element.name[:20]!r} does not have {width} numbers")
        named = [
            (place, row) for place, row in enumerate(element.properties) if row.name in (b"x", b"y", b"z")
        ]
        return _Rows(
            {row.name: _ascii_values([line[place] for line in rows], row) for place, row in named},
            _NONE,
            _NONE,
        )
    sizes, corners = [], []
    for row in rows:
        at = 0
        for place, prop in enumerate(element.properties):
            size = 1
            if prop.count_type is not None:
                size = int(row[at]) if at < len(row) and row[at].isdigit() and len(row[at]) < 8 else len(row)
                at += 1
            if place == wanted:
                sizes.append(size)
                corners.extend(row[at : at + size])
            at += size
        if at != len(row):
            raise unreadable("ply", f"a line of {element.name[:20]!r} has more or fewer numbers than it says")
    counts = np.array(sizes, np.int64)
    if wanted is None:
        return _Rows({}, counts, _NONE)
    lists = element.properties[wanted]
    _require_of_type(counts, lists.count_type or "", lists.name)
    return _Rows({}, counts, _require_of_type(integers(corners, "ply"), lists.type, lists.name))


def _ascii_values(words: list[bytes], row: _Property) -> NDArray[Any]:
    if row.type[0] == "f":
        return decimals(words, "ply")
    return _require_of_type(integers(words, "ply"), row.type, row.name)


def _require_of_type(values: Integers, kind: str, name: bytes) -> Integers:
    """Refuse what the declared type cannot hold: some readers would cut it off."""
    if len(values) and not np.iinfo(kind).min <= values.min() <= values.max() <= np.iinfo(kind).max:
        raise unreadable("ply", f"a value of {name[:20]!r} does not fit the type that is declared")
    return values


def _binary(data: memoryview, order: str, elements: list[_Element], start: int) -> dict[bytes, _Rows]:
    found = {}
    for element in elements:
        found[element.name], start = _binary_rows(data, order, element, start)
    if start != len(data):
        raise unreadable("ply", f"{len(data) - start} bytes follow the last element")
    return found


def _binary_rows(data: memoryview, order: str, element: _Element, start: int) -> tuple[_Rows, int]:
    """Rows whose lists are all as long as the first one's are read at once, others one by one."""
    wanted = _wanted(element)
    if not element.count:
        nothing = {row.name: np.zeros(0) for row in element.properties}
        return _Rows(nothing, _NONE, _NONE), start
    sizes, _ = _sizes(data, order, element, start)
    entries: list[Any] = []
    for place, row in enumerate(element.properties):
        if row.count_type is not None:
            entries.append((f"n{place}", order + row.count_type))
        shape = () if row.count_type is None else (sizes[place],)
        entries.append((f"v{place}", order + row.type, shape))
    kind = np.dtype(entries)
    finish = start + kind.itemsize * element.count
    lists = [place for place, row in enumerate(element.properties) if row.count_type is not None]
    if finish <= len(data):
        rows = np.frombuffer(data, kind, element.count, start)
        if all((rows[f"n{place}"] == sizes[place]).all() for place in lists):
            named = enumerate(element.properties)
            scalars = {row.name: rows[f"v{place}"] for place, row in named if place not in lists}
            if wanted is None:
                return _Rows(scalars, _NONE, _NONE), finish
            counts = np.full(element.count, sizes[wanted], np.int64)
            return _Rows(scalars, counts, rows[f"v{wanted}"].astype(np.int64).reshape(-1)), finish
    if not lists:
        raise unreadable("ply", "the file ends within an element")
    return _walked(data, order, element, start, wanted)


def _sizes(data: memoryview, order: str, element: _Element, start: int) -> tuple[list[int], int]:
    """How many values each property of the row at `start` has, and where the row ends."""
    sizes = []
    for row in element.properties:
        size = 1
        if row.count_type is not None:
            counter = np.dtype(order + row.count_type)
            if start + counter.itemsize > len(data):
                raise unreadable("ply", "the file ends within an element")
            size = int(np.frombuffer(data, counter, 1, start)[0])
            start += counter.itemsize
        start += size * np.dtype(row.type).itemsize
        if size < 0 or start > len(data):
            raise unreadable("ply", "a list is longer than the file, or has a length below zero")
        sizes.append(size)
    return sizes, start


def _walked(
    data: memoryview, order: str, element: _Element, start: int, wanted: int | None
) -> tuple[_Rows, int]:
    counts, values = [], [_NONE]
    for _ in range(element.count):
        sizes, finish = _sizes(data, order, element, start)
        if wanted is not None:
            before = element.properties[: wanted + 1]
            skipped = sum(
                size * np.dtype(row.type).itemsize for size, row in zip(sizes, before[:-1], strict=False)
            )
            skipped += sum(np.dtype(row.count_type).itemsize for row in before if row.count_type is not None)
            kind = np.dtype(order + before[-1].type)
            values.append(np.frombuffer(data, kind, sizes[wanted], start + skipped).astype(np.int64))
            counts.append(sizes[wanted])
        start = finish
    return _Rows({}, np.array(counts, np.int64), np.concatenate(values)), start
