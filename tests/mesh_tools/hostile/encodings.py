"""Characters: encodings that were not declared, not allowed, not valid, or that hide in each other."""

from __future__ import annotations

import codecs

from tests.mesh_tools import shapes
from tests.mesh_tools.hostile.variant import Variant
from tests.mesh_tools.threemf.packages import OBJECT, TYPES, model, package, parts, relationships
from tests.mesh_tools.writers import WRITERS

_TITLE = '<metadata name="Title">{}</metadata>'


def _text(title: str = "é", declared: str | None = "UTF-8") -> str:
    head = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
    return model(before=_TITLE.format(title), head=head)


def _bytes(name: str, hostile: bytes, twin: bytes | None = None, code: str = "package.xml") -> Variant:
    sound = _text().encode() if twin is None else twin
    return Variant(name, code, lambda: package(parts(hostile)), lambda: package(parts(sound)))


def _raw(name: str, raw: bytes) -> Variant:
    """A title of bytes that are no UTF-8; the twin has as many that are."""
    return _bytes(name, _text("@").encode().replace(b"@", raw), _text("x" * len(raw)).encode())


def _elsewhere(name: str, part: str, text: str) -> Variant:
    return Variant(
        f"{name} in {part}",
        "package.xml",
        lambda: package(parts(**{part: text.encode("cp037")})),
        lambda: package(parts(**{part: codecs.BOM_UTF8 + text.encode()})),
    )


def _other(name: str, filename: str, encoding: str, code: str) -> Variant:
    def written(into: str) -> bytes:
        return WRITERS[filename](shapes.box()).decode().encode(into)

    return Variant(
        f"{filename} in {name}", code, lambda: written(encoding), lambda: written("utf-8"), filename
    )


def _inserted(name: str, filename: str, piece: bytes, code: str) -> Variant:
    def written(added: bytes) -> bytes:
        data = WRITERS[filename](shapes.box())
        place = data.index(b"10.0")
        return data[:place] + added + data[place:]

    return Variant(f"{name} in {filename}", code, lambda: written(piece), lambda: written(b" "), filename)


_WIDE = _text(declared="UTF-16")

VARIANTS: tuple[Variant, ...] = (
    _bytes("UTF-16 without its mark", _WIDE.encode("utf-16-le"), _WIDE.encode("utf-16")),
    _bytes("UTF-16 that says UTF-8", _text().encode("utf-16-le"), _text(declared=None).encode("utf-16")),
    _bytes("UTF-8 that says UTF-16", _WIDE.encode()),
    _bytes(
        "UTF-16 of half a pair",
        _WIDE.replace("é", "@").encode("utf-16").replace(b"@\0", b"\0\xd8"),
        _WIDE.encode("utf-16"),
    ),
    _bytes("UTF-16 of an odd length", _WIDE.encode("utf-16") + b"x", _WIDE.encode("utf-16")),
    _bytes("UTF-32", _text(declared=None).encode("utf-32")),
    _bytes("Latin-1, declared", _text(declared="ISO-8859-1").encode("latin-1")),
    _bytes("Latin-1 that says UTF-8", _text().encode("latin-1")),
    _bytes("Latin-1, undeclared", _text(declared=None).encode("latin-1"), _text(declared=None).encode()),
    _bytes("Windows-1252", _text(declared="windows-1252").encode("cp1252")),
    _bytes("ASCII, declared", _text("e", "US-ASCII").encode()),
    _bytes("UTF-7", _text(declared="UTF-7").encode("utf-7")),
    _bytes("EBCDIC", _text("e", "cp037").encode("cp037")),
    _bytes("an encoding that is none", _text("e", "no-such").encode()),
    _raw("slash in two bytes", b"\xc0\xaf"),
    _raw("NUL in two bytes", b"\xc0\x80"),
    _raw("slash in three bytes", b"\xe0\x80\xaf"),
    _raw("half a pair in UTF-8", b"\xed\xa0\x80"),
    _raw("past the last character", b"\xf4\x90\x80\x80"),
    _raw("five bytes for one", b"\xf8\x88\x80\x80\x80"),
    _raw("following byte alone", b"\x80"),
    _raw("character cut short", b"\xe2\x82"),
    _raw("NUL", b"\0"),
    _raw("control character", b"\x0b"),
    _raw("character 65535", b"\xef\xbf\xbf"),
    _bytes("NUL as an entity", _text("&#0;").encode(), _text("&#9;").encode()),
    _bytes("half a pair as an entity", _text("&#xD800;").encode(), _text("&#xE000;").encode()),
    _bytes("entity that nobody declared", _text("&nbsp;").encode(), _text("&amp;").encode()),
    _bytes(
        "mark in the middle",
        _text().replace("<resources>", "\ufeff<resources>").encode(),
        code="package.schema",
    ),
    _bytes("two marks", codecs.BOM_UTF8 * 2 + _text().encode(), codecs.BOM_UTF8 + _text().encode()),
    _bytes("space before the declaration", b" " + _text().encode()),
    _bytes("NUL after the end", _text().encode() + b"\0", _text().encode() + b"\n"),
    _bytes("second root", _text().encode() + b"<model/>", _text().encode() + b"<!---->"),
    _bytes("version 2", _text().replace('"1.0"', '"2.0"').encode()),
    _bytes(
        "digits of another script",
        model(OBJECT.replace('x="10"', 'x="\u0661\u0660"')).encode(),
        code="package.schema",
    ),
    _bytes(
        "letters that look alike",
        _text().replace("<mesh>", "<m\u0435sh>").replace("</mesh>", "</m\u0435sh>").encode(),
        code="package.schema",
    ),
    _elsewhere("EBCDIC", "_rels/.rels", relationships()),
    _elsewhere("EBCDIC", "[Content_Types].xml", TYPES),
    _other("UTF-16", "text.stl", "utf-16", "stl.truncated"),
    _other("UTF-8 with a mark", "text.stl", "utf-8-sig", "stl.truncated"),
    _other("UTF-16", "part.obj", "utf-16", "format.unknown"),
    _other("UTF-16", "part.off", "utf-16", "format.unknown"),
    _other("UTF-16", "text.ply", "utf-16", "format.unknown"),
    _inserted("NUL", "text.stl", b"\0", "stl.truncated"),
    _inserted("no-break space", "text.stl", b"\xc2\xa0", "stl.grammar"),
    _inserted("no-break space", "part.obj", b"\xc2\xa0", "format.unreadable"),
    _inserted("Latin-1", "part.obj", b"\xe9", "format.unreadable"),
    _inserted("NUL", "part.obj", b"\0", "format.unknown"),
)
