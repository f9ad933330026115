"""The grammar of numbers: what strtod, int() or float() would take in one reader and not in another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.mesh_tools import shapes
from tests.mesh_tools.hostile.variant import Variant, edited
from tests.mesh_tools.writers import WRITERS

_WORDS = (
    "nan", "-NaN", "nan(1)", "inf", "-Infinity", "INF", "0x1p3", "0x10", "10,0", "10.0.0", "1e999", "9" * 400,
    "1e", "e1", "--10", "+-10", "1_0", "1 0", "10f", "10d0", "1.", "٣", "１０", "\u221210", "1\u00a00", "ten",
    "#10", "1/2", "1;0",
)  # fmt: skip
_NOT_FINITE = ("nan", "-NaN", "inf", "-Infinity", "INF", "1e999", "9" * 400)
_ALLOWED_IN_TEXT = ("1.",)
_PLACES = {
    "text.stl": ("vertex 10.0 0.0 0.0", "vertex {} 0.0 0.0"),
    "part.obj": ("v 10.0 0.0 0.0", "v {} 0.0 0.0"),
    "part.off": ("\n10.0 0.0 0.0", "\n{} 0.0 0.0"),
    "text.ply": ("\n10.0 0.0 0.0", "\n{} 0.0 0.0"),
}


def _in_package() -> Iterator[Variant]:
    """Also what other formats allow: a number that ends in its point, and none at all."""
    for word in (*_WORDS, ""):
        yield edited(f"3MF coordinate {word[:20]!r}", "package.schema", 'x="10"', f'x="{word}"', 'x="+1.0e1"')


def _in_text(filename: str, words: Sequence[str], code: str) -> Iterator[Variant]:
    for word in words:
        yield _replaced(f"{filename} coordinate {word[:20]!r}", filename, code, word)


def _replaced(name: str, filename: str, code: str, word: str) -> Variant:
    old, new = _PLACES[filename]

    def written(number: str) -> bytes:
        data = WRITERS[filename](shapes.box())
        assert old.encode() in data
        return data.replace(old.encode(), new.format(number).encode())

    return Variant(name, code, lambda: written(word), lambda: written("+1.0e1"), filename)


def _scaled(factor: float) -> bytes:
    return WRITERS["part.3mf"]((shapes.box()[0] * factor, shapes.box()[1]))


_NO_NUMBERS = tuple(word for word in _WORDS if word not in (*_NOT_FINITE, *_ALLOWED_IN_TEXT))
_NO_WORDS = tuple(word for word in _NO_NUMBERS if word not in ("1 0", "nan(1)"))

VARIANTS: tuple[Variant, ...] = (
    *_in_package(),
    *_in_text("text.stl", _NO_NUMBERS, "stl.grammar"),
    *_in_text("text.stl", _NOT_FINITE[-2:], "mesh.not_finite"),
    *_in_text("part.obj", _NO_WORDS, "format.unreadable"),
    *_in_text("part.obj", _NOT_FINITE, "mesh.not_finite"),
    *_in_text("part.off", _NO_WORDS, "format.unreadable"),
    *_in_text("part.off", _NOT_FINITE, "mesh.not_finite"),
    *_in_text("text.ply", _NO_WORDS, "format.unreadable"),
    *_in_text("text.ply", _NOT_FINITE, "mesh.not_finite"),
    Variant("3MF part of denormal size", "mesh.zero_volume", lambda: _scaled(1e-312), lambda: _scaled(1)),
    Variant("3MF part of endless size", "mesh.out_of_range", lambda: _scaled(1e150), lambda: _scaled(1)),
)
