"""The one ZIP file that given parts make: stored, in order, without dates, so that every byte is determined.

Encrypted parts do not compress. Because of it a signature over the parts vouches for the whole file.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mesh_tools.errors import Refused

BYTES_MAX: Final = 0xFFFFFFFE
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _DATE = 20, 0x21
_UTF8 = 0x800


def stored(parts: Mapping[str, bytes]) -> Iterator[bytes]:
    """The blocks of the ZIP file of `parts`, names in ASCII or UTF-8; Refused(package.limit) above 4 GiB."""
    directory: list[bytes] = []
    offset = 0
    for name, content in parts.items():
        raw = name.encode()
        if offset + len(content) + 2 * len(raw) + 1024 > BYTES_MAX:
            raise Refused("package.limit", f"The package would be larger than {BYTES_MAX} bytes.")
        flags = 0 if name.isascii() else _UTF8
        crc, size = zlib.crc32(content), len(content)
        head = _LOCAL.pack(b"PK\3\4", _VERSION, flags, 0, 0, _DATE, crc, size, size, len(raw), 0) + raw
        directory.append(
            _CENTRAL.pack(b"PK\1\2", _VERSION, _VERSION, flags, 0, 0, _DATE, crc, size, size, len(raw),
                          0, 0, 0, 0, 0, offset) + raw
        )  # fmt: skip
        yield head
        yield content
        offset += len(head) + size
    records = b"".join(directory)
    yield records
    yield _END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), len(records), offset, 0)


def is_exactly(data: memoryview, blocks: Iterable[bytes]) -> bool:
    """Whether `data` is those blocks one after the other and nothing more."""
    position = 0
    for block in blocks:
        if data[position : position + len(block)] != block:
            return False
        position += len(block)
    return position == len(data)
