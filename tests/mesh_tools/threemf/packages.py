"""Writes 3MF packages, sound ones and, part by part or byte by byte, hostile ones."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
PRODUCTION = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
MATERIAL = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
SLICE = "http://schemas.microsoft.com/3dmanufacturing/slice/2015/07"
BEAM = "http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02"
OPC = "http://schemas.openxmlformats.org/package/2006"
START = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
TEXTURE = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dtexture"
THUMBNAIL = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"
MODEL_PART = "3D/3dmodel.model"

VERTICES = (
    '<vertices><vertex x="0" y="0" z="0"/><vertex x="10" y="0" z="0"/>'
    '<vertex x="0" y="10" z="0"/><vertex x="0" y="0" z="10"/></vertices>'
)
TRIANGLES = (
    '<triangles><triangle v1="0" v2="2" v3="1"/><triangle v1="0" v2="1" v3="3"/>'
    '<triangle v1="0" v2="3" v3="2"/><triangle v1="1" v2="2" v3="3"/></triangles>'
)
MESH = f"<mesh>{VERTICES}{TRIANGLES}</mesh>"
OBJECT = f'<object id="1" type="model">{MESH}</object>'
TYPES = (
    f'<Types xmlns="{OPC}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    '<Default Extension="png" ContentType="image/png"/></Types>'
)


def relationship(target: str = "/" + MODEL_PART, kind: str = START, number: int = 0, more: str = "") -> str:
    return f'<Relationship Id="rel{number}" Type="{kind}" Target="{target}"{more}/>'


def relationships(*rows: str) -> str:
    return f'<Relationships xmlns="{OPC}/relationships">{"".join(rows or (relationship(),))}</Relationships>'


def model(
    resources: str = OBJECT,
    build: str = '<item objectid="1"/>',
    attributes: str = 'unit="millimeter"',
    before: str = "",
    head: str = '<?xml version="1.0" encoding="UTF-8"?>',
    after: str = "",
) -> str:
    return (
        f'{head}<model xmlns="{CORE}" {attributes}>{before}<resources>{resources}</resources>'
        f"<build>{build}</build>{after}</model>"
    )


def parts(text: str | bytes | None = None, **more: str | bytes) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": relationships(),
        MODEL_PART: model() if text is None else text,
    }
    return {**found, **more}


def package(contents: Mapping[str, str | bytes] | str | None = None) -> bytes:
    if contents is None or isinstance(contents, str):
        contents = parts(contents)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


@dataclass
class Entry:
    """One entry of a hand-made archive, with every field of both headers free to lie."""

    name: bytes
    content: bytes
    method: int = 8
    flags: int = 0
    declared: int | None = None
    local_declared: int | None = None
    crc: int | None = None
    local_name: bytes | None = None
    attributes: int = 0
    offset: int | None = None
    packed: bytes | None = None
    extra: bytes = b""
    disk: int = 0


def archive(entries: list[Entry], *, comment: bytes = b"", tail: bytes = b"", count: int | None = None,
            directory_offset: int | None = None, lead: bytes = b"", disk: int = 0) -> bytes:  # fmt: skip
    body, directory = bytearray(lead), bytearray()
    for entry in entries:
        packed = _packed(entry)
        crc = zlib.crc32(entry.content) if entry.crc is None else entry.crc
        size = len(entry.content) if entry.declared is None else entry.declared
        local_size = size if entry.local_declared is None else entry.local_declared
        offset = len(body) if entry.offset is None else entry.offset
        name = entry.name if entry.local_name is None else entry.local_name
        if entry.offset is None:
            body += struct.pack("<4s5H3L2H", b"PK\3\4", 20, entry.flags, entry.method, 0, 0, crc, len(packed),
                                local_size, len(name), 0) + name + packed  # fmt: skip
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 0x031E, 20, entry.flags, entry.method, 0, 0, crc,
                                 len(packed), size, len(entry.name), len(entry.extra), 0, entry.disk, 0,
                                 entry.attributes, offset) + entry.name + entry.extra  # fmt: skip
    number = len(entries) if count is None else count
    start = len(body) if directory_offset is None else directory_offset
    end = struct.pack("<4s4H2LH", b"PK\5\6", disk, 0, number, number, len(directory), start, len(comment))
    return bytes(body + directory) + end + comment + tail


def _packed(entry: Entry) -> bytes:
    if entry.packed is not None:
        return entry.packed
    if entry.method == 0:
        return entry.content
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezer.compress(entry.content) + squeezer.flush()


def entries(**changes: object) -> list[Entry]:
    """The entries of a sound package; `changes` go to the model's entry."""
    found = [Entry(name.encode(), _bytes(content)) for name, content in parts().items()]
    for name, value in changes.items():
        setattr(found[-1], name, value)
    return found


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
