"""Files that mean one thing to one reader and another to the next: decoys, polyglots, paths, cycles."""

from __future__ import annotations

import struct

from tests.mesh_tools import shapes
from tests.mesh_tools.hostile.variant import Variant, edited, with_parts
from tests.mesh_tools.threemf.packages import (
    MATERIAL,
    MESH,
    OBJECT,
    PRODUCTION,
    TEXTURE,
    THUMBNAIL,
    TYPES,
    Entry,
    archive,
    entries,
    model,
    package,
    parts,
    relationship,
    relationships,
)
from tests.mesh_tools.writers import WRITERS, glb, glb_of

_ROOT, _MODEL, _MODEL_RELATIONSHIPS = "_rels/.rels", "3D/3dmodel.model", "3D/_rels/3dmodel.model.rels"
_OPEN = model(OBJECT.replace('<triangle v1="1" v2="2" v3="3"/>', ""))
_PREFIX = f'xmlns:p="{PRODUCTION}"'
_VOLUMETRIC = "http://schemas.3mf.io/3dmanufacturing/volumetric/2022/01"
_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def _targets(name: str, target: str, code: str = "package.relationship") -> Variant:
    return with_parts(
        f"start part {name}",
        code,
        {_ROOT: relationships(relationship(target))},
        {_ROOT: relationships(relationship("3D/3dmodel.model"))},
    )


def _names(name: str, code: str = "package.name") -> Variant:
    def named(text: str) -> bytes:
        return archive([*entries(), Entry(text.encode(), b"x", flags=0 if text.isascii() else 0x800)])

    return Variant(f"part called {name!r}", code, lambda: named(name), lambda: named("Metadata/x.png"))


def _framed(name: str, hostile: bytes, filename: str = "part.3mf", code: str = "package.zip") -> Variant:
    return Variant(name, code, lambda: hostile, lambda: WRITERS[filename](shapes.box()), filename)


def _pathed(path: str, code: str) -> Variant:
    def led(target: str) -> bytes:
        text = model(build=f'<item objectid="1" p:path="{target}" {_PREFIX}/>')
        rows = relationships(relationship("/3D/b.model"))
        return package(parts(text, **{"3D/b.model": model(build=""), _MODEL_RELATIONSHIPS: rows}))

    return Variant(f"item's path {path!r}", code, lambda: led(path), lambda: led("/3D/b.model"))


def _texture(path: str, code: str) -> Variant:
    def textured(target: str) -> bytes:
        row = f'<m:texture2d id="5" path="{target}" contenttype="image/png"/>'
        rows = relationships(relationship("/3D/t.png", TEXTURE))
        return package(
            parts(
                model(row + OBJECT, attributes=f'xmlns:m="{MATERIAL}"'),
                **{"3D/t.png": b"x", _MODEL_RELATIONSHIPS: rows},
            )
        )

    return Variant(f"texture's path {path!r}", code, lambda: textured(path), lambda: textured("/3D/t.png"))


def _components(*rows: tuple[int, int]) -> bytes:
    """Objects of one component each: (object, the object it is made of); the first is built."""
    objects = "".join(
        f'<object id="{a}"><components><component objectid="{b}"/></components></object>' for a, b in rows
    )
    return package(model(OBJECT + objects, f'<item objectid="{rows[-1][0]}"/>'))


def _across(back: str) -> bytes:
    """The root leads to another part, whose object leads to `back`."""
    outer = model(
        f'{OBJECT}<object id="2"><components>'
        '<component objectid="7" p:path="/3D/b.model"/></components></object>',
        '<item objectid="2"/>',
        attributes=_PREFIX,
    )
    inner = model(
        f'<object id="1">{MESH}</object><object id="7"><components>{back}</components></object>',
        "",
        attributes=_PREFIX,
    )
    return package(
        parts(
            outer, **{"3D/b.model": inner, _MODEL_RELATIONSHIPS: relationships(relationship("/3D/b.model"))}
        )
    )


def _cycle_across(name: str, path: str, number: int, code: str) -> Variant:
    back = f'<component objectid="{number}" p:path="{path}"/>'
    return Variant(name, code, lambda: _across(back), lambda: _across('<component objectid="1"/>'))


def _glb_nodes(nodes: list[object]) -> bytes:
    return glb(shapes.box(), nodes=nodes)


def _glb_with(name: str, code: str = "format.unreadable", **changes: object) -> Variant:
    return Variant(
        f"GLB with {name}", code, lambda: glb(shapes.box(), **changes), lambda: glb(shapes.box()), "part.glb"
    )


_BOX = WRITERS["part.stl"](shapes.box())
_TEXT = WRITERS["text.stl"](shapes.box())
_PLY = WRITERS["text.ply"](shapes.box())

VARIANTS: tuple[Variant, ...] = (
    with_parts(
        "two start parts",
        "package.relationship",
        {_ROOT: relationships(relationship(), relationship("/3D/b.model", number=1)), "3D/b.model": model()},
        {_ROOT: relationships(relationship()), "3D/b.model": model()},
    ),
    with_parts(
        "the same start part twice",
        "package.relationship",
        {_ROOT: relationships(relationship(), relationship(number=1))},
        {_ROOT: relationships(relationship())},
    ),
    with_parts(
        "open model where the relationship leads, sound one where readers guess",
        "mesh.open_edges",
        {_ROOT: relationships(relationship("/3D/real.model")), "3D/real.model": _OPEN},
        {_ROOT: relationships(relationship("/3D/real.model")), "3D/real.model": model(), _MODEL: _OPEN},
    ),
    with_parts(
        "two models that differ in case",
        "content.ambiguous_names",
        {"3D/3DModel.model": _OPEN},
        {"3D/other.model": _OPEN},
    ),
    with_parts(
        "two relationship parts that differ in case",
        "content.ambiguous_names",
        {"_RELS/.rels": relationships(relationship("/3D/b.model"))},
        {"other/.rels": relationships(relationship("/3D/b.model"))},
    ),
    with_parts(
        "content types that differ in case",
        "content.ambiguous_names",
        {"[content_types].xml": TYPES},
        {"types.xml": TYPES},
    ),
    with_parts(
        "start part of another type",
        "package.relationship",
        {_ROOT: relationships(relationship(kind="urn:model"))},
        {},
    ),
    with_parts(
        "model declared as a picture",
        "package.content_types",
        {
            "[Content_Types].xml": TYPES.replace(
                "</Types>", '<Override PartName="/3D/3dmodel.model" ContentType="image/png"/></Types>'
            )
        },
        {
            "[Content_Types].xml": TYPES.replace(
                "</Types>", '<Override PartName="/3D/b.model" ContentType="image/png"/></Types>'
            )
        },
    ),
    with_parts(
        "two thumbnails",
        "package.relationship",
        {
            _ROOT: relationships(
                relationship(), relationship("/a.png", THUMBNAIL, 1), relationship("/b.png", THUMBNAIL, 2)
            ),
            "a.png": b"",
            "b.png": b"",
        },
        {
            _ROOT: relationships(relationship(), relationship("/a.png", THUMBNAIL, 1)),
            "a.png": b"",
            "b.png": b"",
        },
    ),
    _targets("up", "/../3D/3dmodel.model"),
    _targets("up, encoded", "/%2e%2e/%2E%2E/etc/passwd"),
    _targets("up by backslashes", "..\\..\\etc\\passwd"),
    _targets("on the disk", "file:///etc/passwd"),
    _targets("on a drive", "C:/3D/3dmodel.model"),
    _targets("on the net", "https://127.0.0.1/x.model"),
    _targets("on another host", "//127.0.0.1/x.model"),
    _targets("with a query", "/3D/3dmodel.model?x"),
    _targets("with a fragment", "/3D/3dmodel.model#x"),
    _targets("that is nothing", ""),
    _targets("that is not there", "/3D/other.model", "package.missing_part"),
    _targets("in another package", "/inner.3mf!/3D/3dmodel.model", "package.missing_part"),
    *(
        _names(name)
        for name in (
            "../x.png",
            "/x.png",
            "a/../x.png",
            "a//x.png",
            "./x.png",
            "a\\x.png",
            "C:/x.png",
            "a/x.",
            "x\x00.png",
            "a\nb",
            "3D/3dmodel.model/x.png",
            "a:b",
            "con*",
            "<x>",
        )
    ),
    _pathed("/../3D/b.model", "package.schema"),
    _pathed("3D/b.model", "package.schema"),
    _pathed("//host/b.model", "package.schema"),
    _pathed("/3D/./b.model", "package.schema"),
    _pathed("/3D/c.model", "package.missing_part"),
    _pathed("/3D/t.png", "package.content_types"),
    _texture("/../3D/t.png", "package.schema"),
    _texture("/3D/u.png", "package.missing_part"),
    _texture("/3D/3dmodel.model", "package.relationship"),
    Variant(
        "object of itself", "package.reference", lambda: _components((2, 2)), lambda: _components((2, 1))
    ),
    Variant(
        "objects of each other",
        "package.reference",
        lambda: _components((2, 3), (3, 2)),
        lambda: _components((2, 1), (3, 2)),
    ),
    Variant(
        "objects in a ring",
        "package.reference",
        lambda: _components((2, 4), (3, 2), (4, 3)),
        lambda: _components((2, 1), (3, 2), (4, 3)),
    ),
    _cycle_across("object of itself in another part", "/3D/b.model", 7, "package.reference"),
    _cycle_across("ring through another part", "/3D/3dmodel.model", 2, "package.reference"),
    Variant(
        "part whose build is not empty",
        "package.build",
        lambda: package(
            parts(
                model(build=f'<item objectid="1" p:path="/3D/b.model" {_PREFIX}/>'),
                **{"3D/b.model": model(), _MODEL_RELATIONSHIPS: relationships(relationship("/3D/b.model"))},
            )
        ),
        lambda: package(
            parts(
                model(build=f'<item objectid="1" p:path="/3D/b.model" {_PREFIX}/>'),
                **{
                    "3D/b.model": model(build=""),
                    _MODEL_RELATIONSHIPS: relationships(relationship("/3D/b.model")),
                },
            )
        ),
    ),
    _framed("PDF before a ZIP", _PDF + package(), code="package.zip"),
    _framed("STL before a ZIP", _BOX + package()),
    _framed("program before a ZIP", b"MZ" + package()),
    _framed("byte after a ZIP", package() + b"\0"),
    _framed("PDF after a ZIP", package() + _PDF),
    _framed("STL after a ZIP", package() + _BOX),
    _framed("second ZIP after a ZIP", package(_OPEN) + package()),
    _framed("ZIP in the comment of a ZIP", archive(entries(), comment=package())),
    _framed("end record in the comment of a ZIP", archive(entries(), comment=b"PK\5\6" + bytes(18))),
    _framed("STL called 3MF", _BOX),
    _framed("ZIP before an STL", package() + _BOX, "part.stl"),
    _framed("ZIP in the header of an STL", b"PK\3\4".ljust(80, b"\0") + _BOX[80:], "part.stl"),
    _framed("byte after an STL", _BOX + b"\0", "part.stl", "stl.facet_count"),
    _framed("facet after an STL", _BOX + _BOX[84:134], "part.stl", "stl.facet_count"),
    _framed("ZIP after an STL", _BOX + package(), "part.stl", "stl.facet_count"),
    _framed("byte before an STL", b"\0" + _BOX, "part.stl", "stl.truncated"),
    _framed(
        "text and binary STL at once",
        b"solid x\n".ljust(80) + _BOX[80:-9] + b"endfacet\n",
        "part.stl",
        "stl.ambiguous",
    ),
    _framed("words after a text STL", _TEXT + b"facet normal 0 0 0\n", "text.stl", "stl.grammar"),
    _framed("facet after a text STL", _TEXT + _TEXT.split(b"\n", 1)[1], "text.stl", "stl.grammar"),
    _framed("text STL without its end", _TEXT.replace(b"endsolid part\n", b""), "text.stl", "stl.truncated"),
    _framed(
        "text STL with a facet of four corners",
        _TEXT.replace(b"    endloop", b"      vertex 0 0 0\n    endloop", 1),
        "text.stl",
        "stl.grammar",
    ),
    _framed(
        "text STL with a word too few", _TEXT.replace(b"outer loop", b"outer", 1), "text.stl", "stl.grammar"
    ),
    _framed(
        "PLY called OBJ without a header's end",
        _PLY.replace(b"end_header\n", b""),
        "text.ply",
        "format.unreadable",
    ),
    _framed("unknown bytes", b"%!PS-Adobe\n" + bytes(100), "part.obj", "format.unknown"),
    Variant(
        "GLB node of itself",
        "format.unreadable",
        lambda: _glb_nodes([{"children": [0]}]),
        lambda: _glb_nodes([{"children": [1]}, {"mesh": 0}]),
        "part.glb",
    ),
    _glb_with("a buffer on the disk", buffers=[{"uri": "file:///etc/passwd", "byteLength": 9}]),
    _glb_with("a buffer on the net", buffers=[{"uri": "http://127.0.0.1/x", "byteLength": 9}]),
    _glb_with("a buffer that leads up", buffers=[{"uri": "../../etc/passwd", "byteLength": 9}]),
    _glb_with("no mesh", "mesh.empty", meshes=[], nodes=[{}]),
    _glb_with(
        "a view past the end",
        bufferViews=[
            {"buffer": 0, "byteOffset": 0, "byteLength": 96},
            {"buffer": 0, "byteOffset": 10**9, "byteLength": 144},
        ],
    ),
    Variant(
        "GLB whose length lies",
        "format.unreadable",
        lambda: b"glTF" + struct.pack("<II", 2, 2**31) + glb(shapes.box())[12:],
        lambda: glb(shapes.box()),
        "part.glb",
    ),
    _framed("bytes after a GLB", glb(shapes.box()) + _PDF, "part.glb", "format.unreadable"),
    _framed("bytes after a PLY", WRITERS["part.ply"](shapes.box()) + _PDF, "part.ply", "format.unreadable"),
    _framed("lines after a text PLY", _PLY + b"3 0 1 2\n", "text.ply", "format.unreadable"),
    _framed(
        "lines after an OFF",
        WRITERS["part.off"](shapes.box()) + b"3 0 1 2\n",
        "part.off",
        "format.unreadable",
    ),
    Variant(
        "GLB of another version",
        "format.unreadable",
        lambda: b"glTF" + struct.pack("<I", 1) + glb(shapes.box())[8:],
        lambda: glb(shapes.box()),
        "part.glb",
    ),
    Variant(
        "GLB without JSON",
        "format.unreadable",
        lambda: glb_of({}, chunks=[(b"BIN\0", bytes(96))]),
        lambda: glb(shapes.box()),
        "part.glb",
    ),
    edited(
        "extension that nobody here understands",
        "package.extension",
        'unit="millimeter"',
        f'unit="millimeter" xmlns:v="{_VOLUMETRIC}" requiredextensions="v"',
        f'unit="millimeter" xmlns:v="{_VOLUMETRIC}"',
    ),
)
