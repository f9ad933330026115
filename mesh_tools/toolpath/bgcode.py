"""Prusa's binary G-code, version 1: a header, then blocks of metadata, pictures and packed G-code.

Every block's checksum is verified, blocks stand in the order of the specification, nothing follows the last
one, and no block may grow past what it declares. Metadata and pictures are never used.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.toolpath import heatshrink, meatpack

MAGIC = b"GCDE"
BLOCK_BYTES_MAX = 16 << 20
_HEADER = struct.Struct("<4sIH")
_BLOCK = struct.Struct("<HHI")
_SIZE = struct.Struct("<I")
_ENCODING = struct.Struct("<H")
_FILE, _GCODE, _SLICER, _PRINTER, _PRINT, _PICTURE = range(6)
_ORDER = {_FILE: 0, _PRINTER: 1, _PICTURE: 2, _PRINT: 3, _SLICER: 4, _GCODE: 5}
_ONCE = frozenset({_FILE, _PRINTER, _PRINT, _SLICER})
_PARAMETER_BYTES = {_PICTURE: 6}
_RATIO_MAX = 1100
_PLAIN, _DEFLATED, _HEATSHRINK_11, _HEATSHRINK_12 = range(4)
_MEATPACK = (1, 2)


@dataclass(frozen=True, slots=True)
class _Block:
    kind: int
    compression: int
    size: int
    parameters: bytes
    body: memoryview


def gcode_pieces(data: memoryview, limits: Limits) -> Iterator[bytes]:
    """Yield the text of the G-code blocks in order.

    1. The header, and of every block its place, order, length and checksum, before any is expanded.
    2. The declared sizes are within the limits.
    3. Each block expands to exactly its declared size, and its text is unpacked.

    Raises Refused (toolpath.container, toolpath.checksum, package.limit).
    """
    # (1) the frame
    blocks = [block for block in _blocks(data) if block.kind == _GCODE]
    if not blocks:
        raise _bad("There is no block of G-code.")
    # (2) the sizes
    if sum(block.size for block in blocks) > limits.package_expanded_bytes_max:
        raise Refused("package.limit", f"The blocks expand to more than {limits.package_expanded_bytes_max}.")
    for block in blocks:
        if block.size > min(BLOCK_BYTES_MAX, _RATIO_MAX * len(block.body) + 64):
            raise Refused("package.limit", f"A block declares {block.size} bytes from {len(block.body)}.")
    # (3) the text
    for block in blocks:
        encoding = _ENCODING.unpack(block.parameters)[0]
        text = _expanded(block)
        if encoding not in (0, *_MEATPACK):
            raise _bad(f"A block's encoding is {encoding}; 0, 1 and 2 are known.")
        yield meatpack.unpack(text) if encoding in _MEATPACK else text


def _blocks(data: memoryview) -> Iterator[_Block]:
    if len(data) < _HEADER.size:
        raise _bad("The file ends within its header.")
    magic, version, checksum = _HEADER.unpack_from(data)
    if magic != MAGIC or version != 1 or checksum not in (0, 1):
        raise _bad(f"The header names version {version} and checksum {checksum}; 1 with 0 or 1 are known.")
    position, order, seen = _HEADER.size, 0, set()
    while position < len(data):
        block, following = _block(data, position, checksum=bool(checksum))
        if _ORDER[block.kind] < order or (block.kind in _ONCE and block.kind in seen):
            raise _bad("The blocks are not in the order of the specification.")
        order = _ORDER[block.kind]
        seen.add(block.kind)
        yield block
        position = following


def _block(data: memoryview, position: int, *, checksum: bool) -> tuple[_Block, int]:
    if position + _BLOCK.size > len(data):
        raise _bad("The file ends within a block's header.")
    kind, compression, size = _BLOCK.unpack_from(data, position)
    if kind not in _ORDER or compression > _HEATSHRINK_12:
        raise _bad(f"A block is of kind {kind} and compression {compression}, which are not known.")
    begin = position + _BLOCK.size
    stored = size
    if compression != _PLAIN:
        if begin + _SIZE.size > len(data):
            raise _bad("The file ends within a block's header.")
        stored = _SIZE.unpack_from(data, begin)[0]
        begin += _SIZE.size
    body = begin + _PARAMETER_BYTES.get(kind, _ENCODING.size)
    end = body + stored
    following = end + (4 if checksum else 0)
    if following > len(data):
        raise _bad("The file ends within a block.")
    if checksum and zlib.crc32(data[position:end]) != _SIZE.unpack_from(data, end)[0]:
        raise Refused("toolpath.checksum", "A block does not have its checksum.")
    return _Block(kind, compression, size, bytes(data[begin:body]), data[body:end]), following


def _expanded(block: _Block) -> bytes:
    if block.compression == _PLAIN:
        return bytes(block.body)
    if block.compression == _DEFLATED:
        return _inflated(block)
    window = 11 if block.compression == _HEATSHRINK_11 else 12
    return heatshrink.expand(bytes(block.body), block.size, window)


def _inflated(block: _Block) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(block.body, block.size + 1)
    except zlib.error as error:
        raise _bad(f"A block cannot be inflated: {error}.") from None
    if len(text) != block.size or not inflater.eof or inflater.unused_data:
        raise _bad(f"A block does not inflate to the {block.size} bytes it declares.")
    return text


def _bad(message: str) -> Refused:
    return Refused("toolpath.container", message)
