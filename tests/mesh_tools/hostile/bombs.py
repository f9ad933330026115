"""Small files that grow: compressed, overlapping, nested, entities, depth, components, declared counts."""

from __future__ import annotations

import random
import struct

from tests.mesh_tools import shapes
from tests.mesh_tools.hostile.variant import Variant, with_parts
from tests.mesh_tools.threemf import packages
from tests.mesh_tools.threemf.packages import (
    MATERIAL,
    MESH,
    OBJECT,
    TEXTURE,
    THUMBNAIL,
    TYPES,
    Entry,
    archive,
    entries,
    model,
    package,
    relationship,
    relationships,
)
from tests.mesh_tools.writers import WRITERS, glb, glb_of, gltf, mesh_xml

_MIB = 1 << 20
_ROOT, _TYPES, _MODEL = "_rels/.rels", "[Content_Types].xml", "3D/3dmodel.model"
_MODEL_RELATIONSHIPS = "3D/_rels/3dmodel.model.rels"
_TEXTURED = model(
    f'<m:texture2d id="5" path="/3D/t.png" contenttype="image/png"/>{OBJECT}',
    attributes=f'xmlns:m="{MATERIAL}"',
)


def _spaces(count: int) -> str:
    return " " * count


def _inflating(part: str, text: str) -> Variant:
    """Spaces after the last tag of an XML part: nothing to any parser but bytes."""
    return with_parts(
        f"spaces in {part}", "package.limit", {part: text + _spaces(48 * _MIB)}, {part: text + _spaces(9)}
    )


def _attached(name: str, part: str, more: dict[str, str | bytes]) -> Variant:
    return with_parts(
        f"zeros in {name}", "package.limit", {**more, part: bytes(48 * _MIB)}, {**more, part: bytes(48)}
    )


def _overlapping(shared: bool) -> bytes:
    """A stored part that holds, as its content, the local header and data of another."""
    inner = b"<x/>"
    header = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0x2B1EF6C3, len(inner), len(inner), 5, 0)
        + b"b.png"
    )
    holder = Entry(b"a.png", header + inner, method=0)
    found = [*entries(), holder]
    if shared:
        begin = sum(30 + len(entry.name) + len(packages._packed(entry)) for entry in found[:-1]) + 35
        found.append(Entry(b"b.png", inner, method=0, offset=begin, crc=0x2B1EF6C3))
    return archive(found)


def _zip64(declared: int) -> bytes:
    """The model's size by a ZIP64 field, `declared` more than it is."""
    found = entries()
    model_entry = found[-1]
    size = len(model_entry.content) + declared
    model_entry.declared, model_entry.local_declared = 0xFFFFFFFF, len(model_entry.content)
    model_entry.extra = struct.pack("<2HQ", 1, 8, size)
    return archive(found)


def _levels(fan: int, depth: int, mesh: str = MESH) -> bytes:
    """Objects of `fan` components each, `depth` levels: fan to the power of depth meshes, side by side."""
    rows = [f'<object id="1">{mesh}</object>']
    for level in range(2, depth + 2):
        step = 100 * fan ** (level - 2) if fan**level < 1e6 else 0
        components = "".join(
            f'<component objectid="{level - 1}" transform="{_beside(step * number)}"/>'
            for number in range(fan)
        )
        rows.append(f'<object id="{level}"><components>{components}</components></object>')
    return package(model("".join(rows), f'<item objectid="{depth + 1}"/>'))


def _beside(along: int) -> str:
    return f"1 0 0 0 1 0 0 0 1 {along} 0 0"


def _branching(depth: int) -> bytes:
    """Nodes that name the next one twice: two to the power of depth meshes."""
    nodes: list[object] = [{"children": [number + 1, number + 1]} for number in range(depth)]
    return glb(shapes.box(), nodes=[*nodes, {"mesh": 0}])


def _nested(depth: int) -> bytes:
    return package(model(after='<x xmlns="urn:x">' * depth + "</x>" * depth))


def _words(count: int) -> str:
    """Text that hardly compresses."""
    return random.Random(1).randbytes(count // 2).hex()


def _dtd(name: str, declaration: str) -> Variant:
    head = '<?xml version="1.0"?>'
    return Variant(
        name,
        "package.dtd",
        lambda: package(model(head=head + declaration)),
        lambda: package(model(head=head)),
    )


def _laughs() -> str:
    rows = "".join(f'<!ENTITY a{n} "{10 * f"&a{n - 1};"}">' for n in range(1, 10))
    return f'<!DOCTYPE model [<!ENTITY a0 "ha">{rows}]>'


def _counted_stl(count: int) -> bytes:
    data = WRITERS["part.stl"](shapes.box())
    return data[:80] + struct.pack("<I", count) + data[84:]


def _replaced(filename: str, old: bytes, new: bytes) -> bytes:
    data = WRITERS[filename](shapes.box())
    assert old in data
    return data.replace(old, new, 1)


def _counted(name: str, code: str, filename: str, old: bytes, new: bytes) -> Variant:
    return Variant(
        name, code, lambda: _replaced(filename, old, new), lambda: WRITERS[filename](shapes.box()), filename
    )


def _glb_accessor(count: int) -> bytes:
    points, facets = shapes.box()
    document = gltf(points.astype("<f4"), facets)
    accessors = document["accessors"]
    assert isinstance(accessors, list)
    accessors[1]["count"] = count
    return glb_of(document, (points / 1000).astype("<f4").tobytes() + facets.astype("<u4").tobytes())


def _glb_json(depth: int) -> bytes:
    """Valid JSON that nests lists, beside the mesh."""
    data = glb(shapes.box(), extras=1)
    (size,) = struct.unpack_from("<I", data, 12)
    text, binary = data[20 : 20 + size].strip(), data[28 + size :]
    text = text.replace(b'"extras": 1', b'"extras": ' + b"[" * depth + b"]" * depth)
    return glb_of({}, chunks=[(b"JSON", text + b" " * (-len(text) % 4)), (b"BIN\0", binary)])


VARIANTS: tuple[Variant, ...] = (
    _inflating(_MODEL, model()),
    _inflating(_TYPES, TYPES),
    _inflating(_ROOT, relationships()),
    _inflating(
        _MODEL_RELATIONSHIPS,
        relationships(relationship("/3D/t.png", TEXTURE)).replace("/3D/t.png", "/" + _MODEL),
    ),
    _attached(
        "the thumbnail",
        "Metadata/t.png",
        {_ROOT: relationships(relationship(), relationship("/Metadata/t.png", THUMBNAIL, 1))},
    ),
    _attached(
        "a texture",
        "3D/t.png",
        {_MODEL: _TEXTURED, _MODEL_RELATIONSHIPS: relationships(relationship("/3D/t.png", TEXTURE))},
    ),
    _attached("a part nobody names", "other.png", {}),
    Variant("part inside a part", "package.limit", lambda: _overlapping(True), lambda: _overlapping(False)),
    Variant("ZIP64 size that lies", "package.zip", lambda: _zip64(2**40), lambda: _zip64(0)),
    with_parts(
        "too many entries",
        "package.limit",
        {f"a/{n}.png": b"" for n in range(4096)},
        {f"a/{n}.png": b"" for n in range(99)},
    ),
    with_parts(
        "too many relationships",
        "package.limit",
        {
            _ROOT: relationships(
                relationship(), *(relationship(kind="urn:x", number=n) for n in range(1, 4097))
            )
        },
        {_ROOT: relationships(relationship(), *(relationship(kind="urn:x", number=n) for n in range(1, 99)))},
    ),
    with_parts(
        "package in the place of the model",
        "package.xml",
        {_MODEL: package()},
        {_MODEL: model()},
    ),
    Variant("deep elements", "package.limit", lambda: _nested(40), lambda: package(model())),
    Variant("very deep elements", "package.limit", lambda: _nested(200_000), lambda: package(model())),
    Variant(
        "endless attribute",
        "package.limit",
        lambda: package(model(OBJECT.replace("<object", f'<object name="{_words(20_000)}"'))),
        lambda: package(model(OBJECT.replace("<object", f'<object name="{_words(2_000)}"'))),
    ),
    Variant(
        "endless text",
        "package.limit",
        lambda: package(model(before=f'<metadata name="Title">{_words(3 * _MIB)}</metadata>')),
        lambda: package(model(before=f'<metadata name="Title">{_words(30_000)}</metadata>')),
    ),
    Variant(
        "fifty thousand attributes",
        "package.schema",
        lambda: package(
            model(OBJECT.replace("<object", "<object " + " ".join(f'a{n}="x"' for n in range(50_000))))
        ),
        lambda: package(model(OBJECT.replace("<object", '<object name="x"'))),
    ),
    _dtd("billion laughs", _laughs()),
    _dtd("quadratic entity", f'<!DOCTYPE model [<!ENTITY a "{"a" * 50_000}">]>'),
    _dtd("entity that holds itself", '<!DOCTYPE model [<!ENTITY a "&a;">]>'),
    _dtd("entity from a file", '<!DOCTYPE model [<!ENTITY a SYSTEM "file:///dev/zero">]>'),
    _dtd("parameter entity", '<!DOCTYPE model [<!ENTITY % a "b"> %a;]>'),
    Variant("components that double", "limit.instances", lambda: _levels(2, 40), lambda: _levels(2, 4)),
    Variant("components that fan out", "limit.instances", lambda: _levels(400, 2), lambda: _levels(5, 2)),
    Variant("components too deep", "package.limit", lambda: _levels(1, 80), lambda: _levels(1, 20)),
    Variant(
        "facets by instances",
        "limit.facets",
        lambda: _levels(300, 2, mesh_xml(shapes.sphere(20, 20, 20))),
        lambda: _levels(3, 2, mesh_xml(shapes.sphere(20, 20, 20))),
    ),
    Variant(
        "STL of four billion facets",
        "stl.truncated",
        lambda: _counted_stl(2**32 - 1),
        lambda: _counted_stl(12),
        "part.stl",
    ),
    Variant(
        "STL of no facet with twelve",
        "stl.facet_count",
        lambda: _counted_stl(0),
        lambda: _counted_stl(12),
        "part.stl",
    ),
    _counted("PLY of four billion vertices", "limit.vertices", "part.ply", b"vertex 8", b"vertex 4000000000"),
    _counted("PLY of four billion facets", "limit.vertices", "part.ply", b"face 12", b"face 4000000000"),
    _counted("text PLY of a facet more", "format.unreadable", "text.ply", b"face 12", b"face 13"),
    _counted("OFF of a facet more", "format.unreadable", "part.off", b"8 12 0", b"8 13 0"),
    _counted("OFF of a facet less", "format.unreadable", "part.off", b"8 12 0", b"8 11 0"),
    _counted("OFF of four billion facets", "format.unreadable", "part.off", b"8 12 0", b"8 4000000000 0"),
    _counted("OFF of four billion vertices", "format.unreadable", "part.off", b"8 12 0", b"4000000000 12 0"),
    Variant(
        "GLB accessor of a trillion",
        "format.unreadable",
        lambda: _glb_accessor(2**40),
        lambda: _glb_accessor(36),
        "part.glb",
    ),
    Variant(
        "GLB with deep JSON",
        "format.unreadable",
        lambda: _glb_json(200_000),
        lambda: _glb_json(3),
        "part.glb",
    ),
    Variant(
        "GLB nodes that double",
        "format.unreadable",
        lambda: _branching(60),
        lambda: glb(shapes.box(), nodes=[{"children": [1]}, {"mesh": 0}]),
        "part.glb",
    ),
)
