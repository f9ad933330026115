"""Mutations of 3MF packages: parts edited as XML, added, dropped, renamed; archives whose headers lie."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tests.mesh_tools.fuzz.binary import mutated_bytes
from tests.mesh_tools.fuzz.words import mutated_text
from tests.mesh_tools.threemf.packages import Entry, archive, package

_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "latin-1", "utf-7", "cp037")
_NAMES = (
    "3D/3DMODEL.model",
    "/3D/x.model",
    "../x.model",
    "3D/x.model/",
    "[Content_Types].xml",
    "_rels/.rels",
    "3D//x",
    "é",
)


def mutated_package(contents: Mapping[str, str | bytes], rng: Random) -> bytes:
    """The package after some edits, zipped anew with the right checksums, or with one header that lies."""
    parts = dict(contents)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _edit(parts, rng)
    roll = rng.random()
    if roll < 0.80:
        return package(parts)
    if roll < 0.95:
        return _lying(parts, rng)
    return mutated_bytes(package(parts), rng)


def _edit(parts: dict[str, str | bytes], rng: Random) -> None:
    name = _drawn(parts, rng)
    content = parts[name]
    action = rng.randrange(12)
    if action == 0 and isinstance(content, str):
        parts[name] = content.encode(rng.choice(_ENCODINGS), "replace")
    elif action == 1:
        parts[rng.choice((*_NAMES, *parts))] = parts[rng.choice(list(parts))]
    elif action == 2 and len(parts) > 1:
        del parts[name]
    elif action == 3:
        parts[rng.choice(_NAMES)] = parts.pop(name)
    elif isinstance(content, str):
        parts[name] = mutated_text(content, rng)


def _drawn(parts: Mapping[str, str | bytes], rng: Random) -> str:
    """The name of a part; model parts, where the shape is, most often."""
    models = [name for name in parts if name.endswith(".model")]
    return rng.choice(models if models and rng.random() < 0.7 else list(parts))


def _lying(parts: Mapping[str, str | bytes], rng: Random) -> bytes:
    entries = [
        Entry(name.encode(), content.encode("utf-8", "replace") if isinstance(content, str) else content,
              flags=0 if name.isascii() else 0x800)
        for name, content in parts.items()
    ]  # fmt: skip
    entry = rng.choice(entries)
    size = len(entry.content)
    lies: tuple[tuple[str, object], ...] = (
        ("method", rng.choice((0, 8, 9, 12, 99))),
        ("flags", rng.choice((1, 8, 0x40, 0x800, 0x2000))),
        ("declared", rng.choice((0, 1, size - 1, size + 1, 2**31, 2**32 - 1))),
        ("local_declared", rng.choice((0, size + 1, 2**32 - 1))),
        ("crc", rng.randrange(2**32)),
        ("local_name", rng.choice((b"x", entry.name.upper(), b"../x"))),
        ("attributes", rng.choice((0o120777 << 16, 0o100644 << 16, 0x10))),
        ("offset", rng.choice((0, 1, 30, 2**31))),
        ("extra", rng.choice((b"\1\0\x08\0" + bytes(8), b"\1\0\xff\xff", b"up\4\0abcd", b"x"))),
        ("disk", rng.choice((0, 1, 65535))),
        ("packed", rng.randbytes(20)),
    )
    name, value = rng.choice(lies)
    setattr(entry, name, value)
    frame: dict[str, object] = rng.choice(
        ({}, {}, {}, {"comment": b"PK\5\6"}, {"tail": b"x"}, {"lead": b"MZ"}, {"count": 1}, {"disk": 1})
    )
    return archive(entries, **frame)  # type: ignore[arg-type]
