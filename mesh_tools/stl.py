"""STL, binary and ASCII, read strictly: a file that is not exactly what it says is refused.

Binary: 80 bytes of header, a little-endian uint32 count n, then n records of 50 bytes (normal, three
corners as float32, two attribute bytes); the length must be 84 + 50·n. The header may begin with
"solid". ASCII: `solid`, facets, `endsolid`, one or more solids, keywords in any case.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from mesh_tools.errors import Refused
from mesh_tools.findings import Finding, finding
from mesh_tools.limits import Limits
from mesh_tools.model import Body, Model

HEADER_BYTES = 84
FACET_BYTES = 50
RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])

_CHUNK_BYTES = 1 << 20
_TOKENS_PER_FACET = 21
_KEYWORDS = {0: b"facet", 1: b"normal", 5: b"outer", 6: b"loop", 7: b"vertex", 11: b"vertex", 15: b"vertex",
             19: b"endloop", 20: b"endfacet"}  # fmt: skip
_NUMBERS = [2, 3, 4, 8, 9, 10, 12, 13, 14, 16, 17, 18]
_NUMBER_BYTES = b"0123456789+-.eE"
_BODY_END = re.compile(rb"\bendsolid\b", re.IGNORECASE)


def is_binary(data: memoryview) -> bool:
    """Whether the length of `data` is the one its binary facet count asks for."""
    return len(data) >= HEADER_BYTES and len(data) == HEADER_BYTES + FACET_BYTES * _declared(data)


def looks_ascii(data: memoryview) -> bool:
    """Whether `data` begins with the word solid."""
    return bytes(data[:256]).lstrip()[:5].lower() == b"solid"


def load_binary(data: memoryview, limits: Limits) -> Model:
    """Read binary STL into one body of float32 corners; raises Refused."""
    count = _declared(data) if len(data) >= HEADER_BYTES else 0
    if len(data) < HEADER_BYTES or len(data) < HEADER_BYTES + FACET_BYTES * count:
        raise Refused("stl.truncated", f"{len(data)} bytes cannot hold the {count} facets of the header.")
    if len(data) != HEADER_BYTES + FACET_BYTES * count:
        present = (len(data) - HEADER_BYTES) / FACET_BYTES
        raise Refused("stl.facet_count", f"The header declares {count} facets, the length holds {present:g}.")
    if count > limits.facets_max:
        raise Refused("limit.facets", f"{count} facets; the limit is {limits.facets_max}.")
    if looks_ascii(data) and b"endfacet" in bytes(data[-4096:]).lower():
        raise Refused("stl.ambiguous", "The file is binary STL by its length and ASCII STL by its words.")
    records = np.frombuffer(data, RECORD, count, HEADER_BYTES)
    return Model("stl-binary", (Body(records["corners"]),), findings=tuple(_attribute_findings(records)))


def load_ascii(data: memoryview, limits: Limits) -> Model:
    """Read ASCII STL, all solids into one body of float64 corners; raises Refused."""
    pieces: list[NDArray[np.float64]] = []
    facets = 0
    for tokens in _facet_tokens(data):
        piece = _corners(tokens)
        facets += len(piece)
        if facets > limits.facets_max:
            raise Refused("limit.facets", f"More than {limits.facets_max} facets.")
        pieces.append(piece)
    points = np.concatenate(pieces) if pieces else np.empty((0, 3, 3))
    return Model("stl-ascii", (Body(points),))


def _declared(data: memoryview) -> int:
    return int.from_bytes(data[80:84], "little")


def _attribute_findings(records: NDArray[np.void]) -> Iterator[Finding]:
    used = int(np.count_nonzero(records["attribute"]))
    if used:
        yield finding("stl.attribute_bytes", f"{used} facets carry attribute bytes.", count=used)


def _facet_tokens(data: memoryview) -> Iterator[list[bytes]]:
    """Yield token lists that hold whole facets, checking the frame of `solid` and `endsolid` lines."""
    position = 0
    solids = 0
    while True:
        position = _skip_space(data, position)
        if position >= len(data):
            break
        position = _solid_line(data, position)
        position = yield from _solid_body(data, position)
        solids += 1
    if not solids:
        raise Refused("stl.grammar", "There is no solid in the text.")


def _skip_space(data: memoryview, position: int) -> int:
    while position < len(data):
        block = bytes(data[position : position + 4096])
        stripped = block.lstrip(b" \t\r\n\0" if not block.strip(b" \t\r\n\0") else b" \t\r\n")
        position += len(block) - len(stripped)
        if stripped:
            break
    return position


def _solid_line(data: memoryview, position: int) -> int:
    line = bytes(data[position : position + 1024])
    end = line.find(b"\n")
    word = line[:5].lower()
    if word != b"solid" or line[5:6] not in (b" ", b"\t", b"\r", b"\n"):
        raise Refused("stl.grammar", f"Expected 'solid' at byte {position}.")
    if end < 0:
        raise Refused("stl.grammar", f"The solid line at byte {position} is longer than 1024 bytes.")
    return position + end + 1


def _solid_body(data: memoryview, position: int) -> Generator[list[bytes], None, int]:
    carried = b""
    while position < len(data):
        chunk = carried + bytes(data[position : position + _CHUNK_BYTES])
        position += _CHUNK_BYTES
        match = _BODY_END.search(chunk)
        if match is not None:
            yield from _whole_facets(chunk[: match.start()])
            return _end_line(data, min(position, len(data)) - len(chunk) + match.end())
        cut = chunk.lower().rfind(b"endfacet")
        cut = 0 if cut < 0 else cut + len(b"endfacet")
        carried = chunk[cut:]
        if len(carried) > _CHUNK_BYTES:
            raise Refused("stl.grammar", f"No whole facet before byte {position}.")
        yield from _whole_facets(chunk[:cut])
    raise Refused("stl.truncated", "The text ends before 'endsolid'.")


def _whole_facets(text: bytes) -> Iterator[list[bytes]]:
    tokens = text.split()
    if len(tokens) % _TOKENS_PER_FACET:
        raise Refused("stl.grammar", f"{len(tokens)} words do not make whole facets.")
    if tokens:
        yield tokens


def _end_line(data: memoryview, position: int) -> int:
    line = bytes(data[position : position + 1024])
    end = line.find(b"\n")
    if end < 0 and position + len(line) < len(data):
        raise Refused("stl.grammar", f"The endsolid line at byte {position} is longer than 1024 bytes.")
    return position + (len(line) if end < 0 else end + 1)


def _corners(tokens: list[bytes]) -> NDArray[np.float64]:
    """Corners (n, 3, 3) of whole facets; the keywords and the number grammar are checked for all at once."""
    for place, keyword in _KEYWORDS.items():
        wrong = {word.lower() for word in set(tokens[place::_TOKENS_PER_FACET])} - {keyword}
        if wrong:
            raise Refused("stl.grammar", f"Expected {keyword.decode()!r}, found {min(wrong)[:32]!r}.")
    columns = [tokens[place::_TOKENS_PER_FACET] for place in _NUMBERS]
    if any(b"".join(column).translate(None, _NUMBER_BYTES) for column in columns):
        raise Refused("stl.grammar", "A coordinate or normal is not a decimal number.")
    try:
        values = np.array([[float(word) for word in column] for column in columns[3:]], dtype=np.float64)
    except ValueError as error:
        raise Refused("stl.grammar", f"A coordinate is not a number: {error}.") from None
    return values.T.reshape(-1, 3, 3)
