"""ZIP, read strictly for OPC packages (ECMA-376 part 2, annex B; APPNOTE 6.3): nothing is believed.

The central directory and every local header must agree; names must be plain, canonical and unique also
without regard to case; entries must not overlap; only stored and deflated entries; no encryption, no
links, no second disk. Sizes are counted while inflating, against the totals and the ratio of `Limits`.
"""

from __future__ import annotations

import itertools
import stat
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_FLAG_ENCRYPTED, _FLAG_DESCRIPTOR, _FLAG_UTF8, _FLAG_STRONG, _FLAG_MASKED = 0x1, 0x8, 0x800, 0x40, 0x2000
_ALL32, _ALL16 = 0xFFFFFFFF, 0xFFFF
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive as both of its headers describe it; offsets and sizes in bytes."""

    name: str
    method: int
    crc: int
    packed_bytes: int
    bytes: int
    header_offset: int
    data_offset: int


class Archive:
    """The entries of a ZIP file and their bytes."""

    def __init__(self, data: memoryview, limits: Limits) -> None:
        """Read and check the directory of `data`; raises Refused."""
        self._data = data
        self._limits = limits
        self._inflated = 0
        entries = list(_directory(data, limits))
        _check_names(entries)
        _check_overlap(entries)
        self._check_sizes(entries)
        self.entries = {entry.name: entry for entry in entries}
        self._by_folded: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            self._by_folded[entry.name.casefold()].append(entry)

    @property
    def colliding(self) -> list[str]:
        """Names that differ from an earlier one only in case: readers disagree about which they mean."""
        return [entry.name for same in self._by_folded.values() for entry in same[1:]]

    def find(self, name: str) -> Entry | None:
        """The entry called `name`; OPC compares without regard to case, but an exact match comes first."""
        exact = self.entries.get(name)
        same = self._by_folded.get(name.casefold(), [])
        if exact is None and len(same) > 1:
            raise _name_error(f"{name[:100]!r} could mean {len(same)} parts that differ only in case.")
        return exact or (same[0] if same else None)

    def read(self, entry: Entry) -> bytes:
        """All bytes of `entry`, checked by length and CRC."""
        return b"".join(self.blocks(entry))

    def blocks(self, entry: Entry) -> Iterator[bytes]:
        """Inflate `entry` block by block; stops with Refused where it grows past what was declared."""
        packed = self._data[entry.data_offset : entry.data_offset + entry.packed_bytes]
        crc, total = 0, 0
        for block in _stored(packed) if entry.method == _STORED else _inflated(packed, entry.name):
            total += len(block)
            self._count(entry, total, len(block))
            crc = zlib.crc32(block, crc)
            yield block
        if total != entry.bytes or crc != entry.crc:
            raise _bad(f"{entry.name!r} does not have the length or checksum that the directory declares.")

    def check_rest(self, done: set[str]) -> None:
        """Inflate every entry whose name is not in `done`, so that a bomb is found wherever it hides."""
        for entry in self.entries.values():
            if entry.name not in done:
                for _ in self.blocks(entry):
                    pass

    def _count(self, entry: Entry, total: int, block: int) -> None:
        self._inflated += block
        if total > entry.bytes:
            raise _bomb(f"{entry.name!r} inflates past its declared {entry.bytes} bytes.")
        if self._inflated > 2 * self._limits.package_expanded_bytes_max:
            raise _bomb(f"The package inflates past {self._limits.package_expanded_bytes_max} bytes.")

    def _check_sizes(self, entries: list[Entry]) -> None:
        limits = self._limits
        total = sum(entry.bytes for entry in entries)
        if total > limits.package_expanded_bytes_max:
            raise _bomb(
                f"The package declares {total} bytes; the limit is {limits.package_expanded_bytes_max}."
            )
        for entry in entries:
            ceiling = limits.package_ratio_free_bytes + limits.package_ratio_max * entry.packed_bytes
            if entry.bytes > ceiling:
                raise _bomb(f"{entry.name!r} declares {entry.bytes} bytes from {entry.packed_bytes}.")


def _directory(data: memoryview, limits: Limits) -> Iterator[Entry]:
    count, size, offset, end = _end_record(data)
    if count > limits.package_entries_max:
        raise _bomb(f"{count} entries; the limit is {limits.package_entries_max}.")
    if offset + size != end:
        raise _bad("The central directory does not end where the end record begins.")
    position = offset
    for _ in range(count):
        entry, position = _central_entry(data, position, end, offset)
        if entry is not None:
            yield entry
    if position != end:
        raise _bad("The central directory holds more than the entries it declares.")


def _end_record(data: memoryview) -> tuple[int, int, int, int]:
    """Number of entries, size and offset of the directory, and where the directory must end."""
    tail = bytes(data[max(0, len(data) - _END.size - _ALL16) :])
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) - place < _END.size:
        raise _bad("There is no end of central directory: this is no whole ZIP file.")
    _, disk, start_disk, here, count, size, offset, comment = _END.unpack_from(tail, place)
    at = len(data) - len(tail) + place
    if at + _END.size + comment != len(data):
        raise _bad("Bytes follow the end of the ZIP file.")
    locator = at - _END64_LOCATOR.size
    if locator >= 0 and bytes(data[locator : locator + 4]) == b"PK\6\7":
        return _end64_record(data, locator, (count, size, offset))
    if disk or start_disk or here != count:
        raise _bad("The ZIP file spans several disks.")
    if _ALL32 in (size, offset) or count == _ALL16:
        raise _bad("The ZIP64 end record is missing.")
    return count, size, offset, at


def _end64_record(data: memoryview, locator: int, small: tuple[int, int, int]) -> tuple[int, int, int, int]:
    _, disk, at, disks = _END64_LOCATOR.unpack_from(data, locator)
    if disk or disks != 1 or at + _END64.size != locator:
        raise _bad("The ZIP64 locator points elsewhere.")
    magic, length, _, _, disk, start_disk, here, count, size, offset = _END64.unpack_from(data, at)
    if magic != b"PK\6\6" or length != _END64.size - 12 or disk or start_disk or here != count:
        raise _bad("The ZIP64 end record is wrong.")
    for declared, real, unset in zip(small, (count, size, offset), (_ALL16, _ALL32, _ALL32), strict=True):
        if declared not in (unset, real):
            raise _bad("The ZIP64 end record contradicts the end record.")
    return count, size, offset, at


def _central_entry(data: memoryview, position: int, end: int, directory: int) -> tuple[Entry | None, int]:
    if position + _CENTRAL.size > end:
        raise _bad("The central directory is cut short.")
    fields = _CENTRAL.unpack_from(data, position)
    magic, _, _, flags, method, _, _, crc, packed, full, name_size, extra_size, comment_size = fields[:13]
    disk, _, attributes, offset = fields[13:]
    if magic != b"PK\1\2" or disk not in (0, _ALL16):
        raise _bad("An entry of the central directory is wrong.")
    begin = position + _CENTRAL.size
    following = begin + name_size + extra_size + comment_size
    if following > end:
        raise _bad("An entry of the central directory is cut short.")
    raw_name = bytes(data[begin : begin + name_size])
    extra = bytes(data[begin + name_size : begin + name_size + extra_size])
    full, packed, offset = _wide(extra, (full, packed, offset))
    _check_entry(raw_name, flags, method, attributes)
    name = _name(raw_name, flags)
    if name.endswith("/"):
        if full:
            raise _name_error(f"{name!r} is a folder with content.")
        return None, following
    data_offset = _local_header(data, offset, directory, (raw_name, flags, method, crc, packed, full))
    return Entry(name, method, crc, packed, full, offset, data_offset), following


def _wide(extra: bytes, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Replace all-ones values by those of the ZIP64 extra field, in order."""
    field = _zip64_field(extra)
    wide = list(values)
    for index, value in enumerate(values):
        if value == _ALL32:
            if len(field) < 8:
                raise _bad("The ZIP64 field of an entry is too short.")
            wide[index] = int.from_bytes(field[:8], "little")
            field = field[8:]
    return wide[0], wide[1], wide[2]


def _zip64_field(extra: bytes) -> bytes:
    found = b""
    while len(extra) >= 4:
        tag, size = struct.unpack_from("<2H", extra)
        if size > len(extra) - 4:
            raise _bad("An extra field of an entry is cut short.")
        if tag == 1:
            if found:
                raise _bad("An entry has two ZIP64 fields.")
            found = extra[4 : 4 + size]
        extra = extra[4 + size :]
    return found


def _check_entry(name: bytes, flags: int, method: int, attributes: int) -> None:
    if flags & (_FLAG_ENCRYPTED | _FLAG_STRONG | _FLAG_MASKED):
        raise _bad(f"{name[:100]!r} is encrypted.")
    if method not in (_STORED, _DEFLATED):
        raise _bad(f"{name[:100]!r} is compressed by method {method}; only stored and deflated are allowed.")
    kind = stat.S_IFMT(attributes >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _name_error(f"{name[:100]!r} is a link or a special file.")


def _local_header(
    data: memoryview, offset: int, directory: int, central: tuple[bytes, int, int, int, int, int]
) -> int:
    """Where the entry's data begins; the local header must agree with the central one."""
    name, flags, method, crc, packed, full = central
    if offset + _LOCAL.size > directory:
        raise _bad(f"The local header of {name[:100]!r} lies outside the file.")
    fields = _LOCAL.unpack_from(data, offset)
    magic, _, local_flags, local_method, _, _, local_crc, local_packed, local_full, name_size, extra_size = (
        fields
    )
    begin = offset + _LOCAL.size
    extra = bytes(data[begin + name_size : begin + name_size + extra_size])
    if magic != b"PK\3\4" or bytes(data[begin : begin + name_size]) != name or local_method != method:
        raise _bad(f"The local header of {name[:100]!r} contradicts the central directory.")
    if local_flags & _FLAG_DESCRIPTOR != flags & _FLAG_DESCRIPTOR:
        raise _bad(f"The local header of {name[:100]!r} contradicts the central directory.")
    local_full, local_packed, _ = _wide(extra, (local_full, local_packed, 0))
    deferred = bool(flags & _FLAG_DESCRIPTOR)
    for told, real in ((local_crc, crc), (local_packed, packed), (local_full, full)):
        if told != real and not (deferred and not told):
            raise _bad(f"The local header of {name[:100]!r} declares other sizes than the central directory.")
    start: int = begin + name_size + extra_size
    if start + packed > directory:
        raise _bad(f"The data of {name[:100]!r} lie outside the file.")
    if method == _STORED and packed != full:
        raise _bad(f"{name[:100]!r} is stored with two different sizes.")
    return start


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _FLAG_UTF8 else "ascii")
    except UnicodeDecodeError:
        raise _name_error(f"The name {raw[:100]!r} is not ASCII and not marked as UTF-8.") from None
    plain = name.removesuffix("/")
    segments = plain.split("/")
    bad_segment = any(segment in ("", ".", "..") or segment.endswith(".") for segment in segments)
    if bad_segment or any(ord(char) < 32 or char in '\\:*?"<>|\x7f' for char in name):
        raise _name_error(f"The name {name[:100]!r} is not a plain path inside the package.")
    return name


def _check_names(entries: list[Entry]) -> None:
    names = [entry.name for entry in entries]
    if len(set(names)) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise _name_error(f"{twice!r} stands twice in the package.")
    seen = {name.casefold() for name in names}
    for folded in seen:
        parts = folded.split("/")
        if any("/".join(parts[:depth]) in seen for depth in range(1, len(parts))):
            raise _name_error(f"{folded!r} lies below a file.")


def _check_overlap(entries: list[Entry]) -> None:
    ordered = sorted(entries, key=lambda entry: entry.header_offset)
    for before, after in itertools.pairwise(ordered):
        if before.data_offset + before.packed_bytes > after.header_offset:
            raise _bomb(f"{before.name!r} and {after.name!r} share bytes.")


def _stored(packed: memoryview) -> Iterator[bytes]:
    for start in range(0, len(packed), _BLOCK):
        yield bytes(packed[start : start + _BLOCK])


def _inflated(packed: memoryview, name: str) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for start in range(0, len(packed), _BLOCK):
            pending: bytes = bytes(packed[start : start + _BLOCK])
            while pending:
                block = inflater.decompress(pending, _BLOCK)
                pending = inflater.unconsumed_tail
                if block:
                    yield block
                elif inflater.eof:
                    break
    except zlib.error as error:
        raise _bad(f"{name!r} cannot be inflated: {error}.") from None
    if not inflater.eof or inflater.unused_data:
        raise _bad(f"{name!r} does not end where its compressed data end.")


def _bad(message: str) -> Refused:
    return Refused("package.zip", message)


def _bomb(message: str) -> Refused:
    return Refused("package.limit", message)


def _name_error(message: str) -> Refused:
    return Refused("package.name", message)
