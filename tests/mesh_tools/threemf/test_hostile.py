"""Hostile 3MF packages, each wrong in one way, and the code that must refuse it."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from mesh_tools.errors import Refused
from mesh_tools.limits import Limits
from mesh_tools.load import load
from tests.mesh_tools.threemf import packages
from tests.mesh_tools.threemf.packages import (
    BEAM,
    CORE,
    MATERIAL,
    MESH,
    MODEL_PART,
    OBJECT,
    PRODUCTION,
    SLICE,
    TEXTURE,
    THUMBNAIL,
    TRIANGLES,
    TYPES,
    VERTICES,
    Entry,
    archive,
    entries,
    model,
    package,
    parts,
    relationship,
    relationships,
)

_SMALL = Limits(package_expanded_bytes_max=64 << 20, xml_depth_max=24, instances_max=1000, facets_max=100_000)


_UUID = "00000000-0000-0000-0000-000000000000"


def _refusals(data: bytes) -> set[str]:
    """Codes that refuse `data`: of the exception, or of the findings of what could be read."""
    try:
        found = load(memoryview(data), "part.3mf", _SMALL)
    except Refused as refusal:
        return {refusal.code}
    return {row.code for row in found.findings if row.severity == "refuse"}


def _with(old: str, new: str) -> bytes:
    text = model()
    assert old in text
    return package(text.replace(old, new, 1))


def _root(row: str) -> bytes:
    return package(parts(**{"_rels/.rels": relationships(row)}))


def _zip64_lie() -> bytes:
    """A ZIP64 end record that claims more entries than the plain one."""
    data = archive(entries())
    place = data.rfind(b"PK\5\6")
    _, _, _, _, count, size, offset, _ = struct.unpack_from("<4s4H2LH", data, place)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count + 9, count + 9, size, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    return data[:place] + wide + locator + data[place:]


def _shared_bytes() -> bytes:
    """Two names for the same compressed bytes: the quine's and the overlapping bomb's trick."""
    found = entries()
    first_size = 30 + len(found[0].name)
    found.append(Entry(b"3D/copy.model", found[0].content, offset=first_size - first_size))
    return archive(found)


def _bomb(name: str, size: int) -> bytes:
    return package(parts(**{name: bytes(size)}))


def _lying_bomb() -> bytes:
    """Declares 100 bytes, inflates to 32 MiB."""
    found = entries()
    found.append(Entry(b"Metadata/x.png", bytes(32 << 20), declared=100))
    return archive(found)


def _doubling(depth: int) -> str:
    rows = [OBJECT]
    for level in range(2, depth + 2):
        twice = f'<component objectid="{level - 1}"/>' * 2
        rows.append(f'<object id="{level}"><components>{twice}</components></object>')
    return model("".join(rows), f'<item objectid="{depth + 1}"/>')


def _chain(depth: int) -> str:
    levels = [
        _COMPONENT.format(f'<component objectid="{level - 1}"/>', level=level)
        for level in range(2, depth + 2)
    ]
    return model("".join([OBJECT, *levels]), f'<item objectid="{depth + 1}"/>')


def _dtd(text: str) -> bytes:
    return package(model(head=f'<?xml version="1.0"?>{text}'))


def _laughs() -> str:
    rows = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE model [<!ENTITY a0 "ha">{rows}]>'


_COMPONENT = '<object id="{level}"><components>{}</components></object>'

_ZIP: dict[str, tuple[Callable[[], bytes], str]] = {
    "not a ZIP": (lambda: b"PK\3\4" + bytes(200), "package.zip"),
    "empty ZIP": (lambda: archive([]), "package.content_types"),
    "cut in half": (lambda: package()[: len(package()) // 2], "package.zip"),
    "end cut off": (lambda: package()[:-1], "package.zip"),
    "bytes after the end": (lambda: package() + b"x", "package.zip"),
    "end hidden in a comment": (lambda: archive(entries(), comment=b"PK\5\6" + bytes(18)), "package.zip"),
    "bytes before the start": (lambda: b"MZ" + package(), "package.zip"),
    "directory elsewhere": (lambda: archive(entries(), directory_offset=4), "package.zip"),
    "fewer entries declared": (lambda: archive(entries(), count=2), "package.zip"),
    "more entries declared": (lambda: archive(entries(), count=9), "package.zip"),
    "second disk": (lambda: archive(entries(), disk=1), "package.zip"),
    "entry on another disk": (lambda: archive(entries(disk=3)), "package.zip"),
    "ZIP64 lie": (_zip64_lie, "package.zip"),
    "ZIP64 field too short": (
        lambda: archive(entries(declared=0xFFFFFFFF, extra=b"\1\0\4\0abcd")),
        "package.zip",
    ),
    "extra field cut short": (
        lambda: archive(entries(declared=0xFFFFFFFF, extra=b"\1\0\xff\0ab")),
        "package.zip",
    ),
    "encrypted entry": (lambda: archive(entries(flags=1)), "package.zip"),
    "unknown compression": (lambda: archive(entries(method=12)), "package.zip"),
    "wrong checksum": (lambda: archive(entries(crc=1)), "package.zip"),
    "wrong length": (lambda: archive(entries(declared=10)), "package.limit"),
    "longer than it is": (lambda: archive(entries(declared=100_000)), "package.zip"),
    "local length differs": (lambda: archive(entries(local_declared=5)), "package.zip"),
    "local name differs": (lambda: archive(entries(local_name=b"3D/3dmodel.other")), "package.zip"),
    "local header outside": (lambda: archive(entries(offset=1 << 30)), "package.zip"),
    "broken deflate": (lambda: archive(entries(packed=b"\xff" * 40)), "package.zip"),
    "deflate with a tail": (
        lambda: archive(entries(packed=packages._packed(entries()[-1]) + b"tail")),
        "package.zip",
    ),
    "shared bytes": (_shared_bytes, "package.zip"),
    "symbolic link": (lambda: archive(entries(attributes=0o120777 << 16)), "package.name"),
    "device": (lambda: archive(entries(attributes=0o020666 << 16)), "package.name"),
    "same name twice": (lambda: archive([*entries(), entries()[-1]]), "package.name"),
    "file below a file": (lambda: package(parts(**{"3D/3dmodel.model/x.png": b"x"})), "package.name"),
    "names differ in case": (
        lambda: package(parts(**{"3D/3DMODEL.model": model()})),
        "content.ambiguous_names",
    ),
    "too many entries": (lambda: package(parts(**{f"a/{n}.png": b"" for n in range(5000)})), "package.limit"),
    "bomb in the model": (lambda: package(model(after=" " * (48 << 20))), "package.limit"),
    "bomb in a thumbnail": (lambda: _bomb("Metadata/thumbnail.png", 48 << 20), "package.limit"),
    "bomb in the relationships": (lambda: _bomb("3D/_rels/3dmodel.model.rels", 48 << 20), "package.limit"),
    "bomb in a part nobody names": (lambda: _bomb("hidden.png", 48 << 20), "package.limit"),
    "bomb that lies": (_lying_bomb, "package.limit"),
}
_NAMES = {
    name: (lambda name=name: archive([*entries(), Entry(name.encode("utf-8"), b"x")]), "package.name")
    for name in (
        "../x.png",
        "/x.png",
        "a/../x.png",
        "a//x.png",
        "./x.png",
        "a\\x.png",
        "C:/x.png",
        "a/x.",
        "a\nb",
        "é",
    )
}
_OPC: dict[str, tuple[Callable[[], bytes], str]] = {
    "no content types": (
        lambda: package({k: v for k, v in parts().items() if "Types" not in k}),
        "package.content_types",
    ),
    "content types of another root": (
        lambda: package(parts(**{"[Content_Types].xml": "<Types/>"})),
        "package.content_types",
    ),
    "model type undeclared": (
        lambda: package(parts(**{"[Content_Types].xml": TYPES.replace('"model"', '"mod"')})),
        "package.content_types",
    ),
    "type declared twice": (
        lambda: package(
            parts(
                **{
                    "[Content_Types].xml": TYPES.replace(
                        "</Types>", '<Default Extension="PNG" ContentType="a/b"/></Types>'
                    )
                }
            )
        ),
        "package.content_types",
    ),
    "no relationships": (
        lambda: package({k: v for k, v in parts().items() if "_rels" not in k}),
        "package.relationship",
    ),
    "no start part": (lambda: _root(relationship(kind="urn:other")), "package.relationship"),
    "two start parts": (
        lambda: package(
            parts(
                **{
                    "_rels/.rels": relationships(relationship(), relationship("/3D/b.model", number=1)),
                    "3D/b.model": model(),
                }
            )
        ),
        "package.relationship",
    ),
    "same id twice": (
        lambda: package(parts(**{"_rels/.rels": relationships(relationship(), relationship(kind="urn:x"))})),
        "package.relationship",
    ),
    "leads nowhere": (lambda: _root(relationship("/3D/none.model")), "package.missing_part"),
    "leads up": (lambda: _root(relationship("/../../etc/passwd")), "package.relationship"),
    "leads up encoded": (lambda: _root(relationship("/%2e%2e/%2e%2e/etc/passwd")), "package.relationship"),
    "leads to a file": (lambda: _root(relationship("file:///etc/passwd")), "package.relationship"),
    "leads to the net": (lambda: _root(relationship("http://127.0.0.1/x.model")), "package.relationship"),
    "leads to another host": (lambda: _root(relationship("//host/x.model")), "package.relationship"),
    "leads outside by its mode": (
        lambda: _root(relationship(more=' TargetMode="External"')),
        "package.relationship",
    ),
    "missing thumbnail": (
        lambda: package(
            parts(
                **{
                    "_rels/.rels": relationships(
                        relationship(), relationship("/Metadata/t.png", THUMBNAIL, 1)
                    )
                }
            )
        ),
        "content.missing_thumbnail",
    ),
    "encrypted": (
        lambda: package(
            parts(
                **{
                    "_rels/.rels": relationships(
                        relationship(),
                        relationship(
                            "/k.png", "http://schemas.microsoft.com/3dmanufacturing/2019/04/keystore", 1
                        ),
                    ),
                    "k.png": b"x",
                }
            )
        ),
        "package.encrypted",
    ),
}
_XML: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty model": (lambda: package(""), "package.xml"),
    "cut short": (lambda: package(model()[:-20]), "package.xml"),
    "billion laughs": (lambda: _dtd(_laughs()), "package.dtd"),
    "external entity": (
        lambda: _dtd('<!DOCTYPE model [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        "package.dtd",
    ),
    "external DTD": (lambda: _dtd('<!DOCTYPE model SYSTEM "http://127.0.0.1/x.dtd">'), "package.dtd"),
    "parameter entity": (lambda: _dtd('<!DOCTYPE model [<!ENTITY % x "y"> %x;]>'), "package.dtd"),
    "empty DTD": (lambda: _dtd("<!DOCTYPE model>"), "package.dtd"),
    "DTD in the relationships": (
        lambda: package(parts(**{"_rels/.rels": "<!DOCTYPE r>" + relationships()})),
        "package.dtd",
    ),
    "DTD in the content types": (
        lambda: package(parts(**{"[Content_Types].xml": "<!DOCTYPE r>" + TYPES})),
        "package.dtd",
    ),
    "deep": (
        lambda: package(model(before="<metadata name='Title'>" * 40 + "</metadata>" * 40)),
        "package.limit",
    ),
    "long attribute": (lambda: _with('type="model"', f'type="model" name="{"x" * 20_000}"'), "package.limit"),
    "Latin-1": (lambda: package(model(head='<?xml version="1.0" encoding="iso-8859-1"?>')), "package.xml"),
    "UTF-7": (lambda: package(model(head='<?xml version="1.0" encoding="utf-7"?>')), "package.xml"),
    "attribute twice": (lambda: _with('x="10"', 'x="10" x="20"'), "package.xml"),
    "same attribute by two prefixes": (
        lambda: package(
            model(
                f'<object id="1" p:UUID="{_UUID}" q:UUID="{_UUID}">{MESH}</object>',
                attributes=f'xmlns:p="{PRODUCTION}" xmlns:q="{PRODUCTION}"',
            )
        ),
        "package.xml",
    ),
    "schema instance attribute": (
        lambda: package(model(attributes='xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="x"')),
        "package.xml",
    ),
    "other root": (lambda: package(f'<thing xmlns="{CORE}"/>'), "package.schema"),
    "other namespace": (lambda: package(model().replace(CORE, "urn:other")), "package.schema"),
    "text in the model": (lambda: package(model(before="words")), "package.schema"),
    "mesh in a comment": (
        lambda: package(model(f'<object id="1"><!--{MESH}--></object>')),
        "package.schema",
    ),
    "mesh in CDATA": (
        lambda: package(model(f'<object id="1"><![CDATA[{MESH}]]></object>')),
        "package.schema",
    ),
}
_NUMBERS = {
    f"coordinate {text!r}": (lambda text=text: _with('x="10"', f'x="{text}"'), "package.schema")
    for text in (
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e400",
        "1,5",
        "0x10",
        "1_0",
        "1 2",
        "",
        "1.",
        "1e",
        "٣",
        "--1",
        "1.5.2",
    )
}
_INDICES = {
    f"index {text!r}": (lambda text=text: _with('v2="2"', f'v2="{text}"'), code)
    for text, code in (
        ("-1", "package.schema"),
        ("1.0", "package.schema"),
        ("2147483648", "package.schema"),
        ("99999999999999999999", "package.schema"),
        ("2000000000", "package.reference"),
        ("4", "package.reference"),
        ("0", "package.reference"),
        ("", "package.schema"),
    )
}
_TRANSFORMS = {
    f"transform {text!r}": (
        lambda text=text: package(model(build=f'<item objectid="1" transform="{text}"/>')),
        code,
    )
    for text, code in (
        ("1 0 0 0 1 0 0 0 1 0 0", "package.schema"),
        ("1 0 0 0 1 0 0 0 1 0 0 nan", "package.schema"),
        ("1 0 0 0 1 0 0 0 1 0 0 1e999", "package.schema"),
        ("1,0,0,0,1,0,0,0,1,0,0,0", "package.schema"),
        ("1 0 0 0 1 0 0 0 0 0 0 0", "mesh.placement"),
        ("0 0 0 0 0 0 0 0 0 0 0 0", "mesh.placement"),
        ("1 2 3 2 4 6 0 0 1 0 0 0", "mesh.placement"),
        ("1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "mesh.placement"),
    )
}
_MEANING: dict[str, tuple[Callable[[], bytes], str]] = {
    "no build": (lambda: package(model().replace("<build>", "").replace("</build>", "")), "package.schema"),
    "two builds": (lambda: package(model(after="<build/>")), "package.schema"),
    "empty build": (lambda: package(model(build="")), "package.build"),
    "no resources": (lambda: _with(f"<resources>{OBJECT}</resources>", ""), "package.schema"),
    "unknown unit": (lambda: _with("millimeter", "furlong"), "package.schema"),
    "unknown type": (lambda: _with('type="model"', 'type="thing"'), "package.schema"),
    "unknown element": (lambda: _with("<mesh>", "<mesh><surprise/>"), "package.schema"),
    "unknown attribute": (lambda: _with('x="10"', 'x="10" w="1"'), "package.schema"),
    "unit on the object": (lambda: _with('type="model"', 'unit="inch"'), "package.schema"),
    "missing coordinate": (lambda: _with(' y="0" z="10"', ' y="0"'), "package.schema"),
    "missing index": (lambda: _with(' v3="1"', ""), "package.schema"),
    "missing id": (lambda: _with('id="1" ', ""), "package.schema"),
    "id zero": (lambda: _with('id="1" ', 'id="0" '), "package.schema"),
    "id twice": (lambda: package(model(OBJECT * 2)), "package.reference"),
    "mesh and components": (lambda: _with("</mesh>", "</mesh><components/>"), "package.schema"),
    "neither mesh nor components": (lambda: package(model('<object id="1"/>')), "package.schema"),
    "triangles before vertices": (
        lambda: package(model(f'<object id="1"><mesh>{TRIANGLES}{VERTICES}</mesh></object>')),
        "package.schema",
    ),
    "no vertices": (lambda: _with(VERTICES, "<vertices/>"), "package.schema"),
    "no triangles": (lambda: _with(TRIANGLES, "<triangles/>"), "mesh.empty"),
    "item leads nowhere": (lambda: package(model(build='<item objectid="7"/>')), "package.reference"),
    "item of type other": (
        lambda: package(model(OBJECT.replace("model", "other", 1))),
        "package.build",
    ),
    "component leads nowhere": (
        lambda: package(model(OBJECT + _COMPONENT.format('<component objectid="9"/>', level=2))),
        "package.reference",
    ),
    "component of itself": (
        lambda: package(
            model(_COMPONENT.format('<component objectid="2"/>', level=2), '<item objectid="2"/>')
        ),
        "package.reference",
    ),
    "components in a circle": (
        lambda: package(
            model(
                '<object id="2"><components><component objectid="3"/></components></object>'
                '<object id="3"><components><component objectid="2"/></components></object>',
                '<item objectid="2"/>',
            )
        ),
        "package.reference",
    ),
    "exponential instances": (lambda: package(_doubling(40)), "limit.instances"),
    "deep components": (lambda: package(_chain(80)), "package.limit"),
    "many instances": (lambda: package(model(build='<item objectid="1"/>' * 1001)), "limit.instances"),
    "unknown required extension": (
        lambda: package(model(attributes='xmlns:x="urn:x" requiredextensions="x"')),
        "package.extension",
    ),
    "undeclared required extension": (
        lambda: package(model(attributes='requiredextensions="zz"')),
        "package.extension",
    ),
    "undeclared metadata prefix": (
        lambda: package(model(before='<metadata name="zz:note">x</metadata>')),
        "package.schema",
    ),
    "unknown metadata": (
        lambda: package(model(before='<metadata name="Note">x</metadata>')),
        "content.metadata",
    ),
    "property leads nowhere": (lambda: _with('v3="1"', 'v3="1" pid="5" p1="0"'), "content.properties"),
    "path without relationship": (
        lambda: package(
            parts(
                model(
                    build=f'<item objectid="1" p:path="/3D/b.model" xmlns:p="{PRODUCTION}"/>',
                ),
                **{"3D/b.model": model(build="")},
            )
        ),
        "content.unrelated_part",
    ),
    "path that leads up": (
        lambda: package(
            model(build=f'<item objectid="1" p:path="/../../etc/passwd" xmlns:p="{PRODUCTION}"/>')
        ),
        "package.schema",
    ),
    "production without UUID": (
        lambda: package(model(attributes=f'xmlns:p="{PRODUCTION}" requiredextensions="p"')),
        "package.schema",
    ),
    "texture that is not there": (
        lambda: package(
            model(
                '<m:texture2d id="5" path="/3D/t.png" contenttype="image/png"/>' + OBJECT,
                attributes=f'xmlns:m="{MATERIAL}"',
            )
        ),
        "package.missing_part",
    ),
    "texture without relationship": (
        lambda: package(
            parts(
                model(
                    '<m:texture2d id="5" path="/3D/t.png" contenttype="image/png"/>' + OBJECT,
                    attributes=f'xmlns:m="{MATERIAL}"',
                ),
                **{"3D/t.png": b"x"},
            )
        ),
        "package.relationship",
    ),
    "slices": (
        lambda: package(
            model(
                '<s:slicestack id="5"><s:slice ztop="1"/></s:slicestack>'
                + OBJECT.replace('id="1"', 'id="1" s:slicestackid="5"'),
                attributes=f'xmlns:s="{SLICE}"',
            )
        ),
        "content.slices",
    ),
    "beam lattice": (
        lambda: _with(
            "</mesh>",
            f'<b:beamlattice xmlns:b="{BEAM}" minlength="1" radius="1"><b:beams><b:beam v1="0" v2="1"/>'
            "</b:beams></b:beamlattice></mesh>",
        ),
        "content.beam_lattice",
    ),
    "surface": (lambda: _with('type="model"', 'type="surface"'), "content.surface"),
}
_ALL = {**_ZIP, **_NAMES, **_OPC, **_XML, **_NUMBERS, **_INDICES, **_TRANSFORMS, **_MEANING}


class TestHostilePackages:
    def test_are_many(self) -> None:
        assert len(_ALL) >= 120

    @pytest.mark.parametrize("name", _ALL)
    def test_is_refused(self, name: str) -> None:
        make, code = _ALL[name]
        assert code in _refusals(make())


class TestDecoy:
    def test_measures_what_the_relationship_names(self) -> None:
        decoy = model(OBJECT.replace('x="10"', 'x="90"'))
        contents = parts(decoy, **{"_rels/.rels": relationships(relationship("/3D/real.model"))})
        found = load(memoryview(package({**contents, "3D/real.model": model()})), "a.3mf", _SMALL)
        assert found.bodies[0].points.max() == 10

    def test_follows_a_texture_relationship(self) -> None:
        text = model(
            '<m:texture2d id="5" path="/3D/t.png" contenttype="image/png"/>' + OBJECT,
            attributes=f'xmlns:m="{MATERIAL}"',
        )
        rows = {
            "3D/t.png": b"x",
            "3D/_rels/3dmodel.model.rels": relationships(relationship("/3D/t.png", TEXTURE)),
        }
        assert load(memoryview(package(parts(text, **rows))), "a.3mf", _SMALL).format == "3mf"


class TestStreamedArchive:
    def test_takes_sizes_after_the_data(self) -> None:
        """Bit 3: the local header holds zeros, the directory the truth."""
        found = entries()
        for entry in found:
            entry.flags = 8
            entry.local_declared = 0
        data = archive(found)
        assert load(memoryview(data), "a.3mf", _SMALL).format == "3mf"

    def test_takes_stored_parts(self) -> None:
        found = entries()
        for entry in found:
            entry.method = 0
        assert load(memoryview(archive(found)), MODEL_PART, _SMALL).format == "3mf"
