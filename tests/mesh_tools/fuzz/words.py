"""Values that readers stumble over, and mutations of text by tokens, lines and tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

NUMBERS = (
    "0", "-0", "+1", "1", "-1", "2", "3", "7", "0.5", ".5", "1.", "1e1", "1E+1", "1e-310", "5e-324", "1e38",
    "3.5e38", "1e308", "1e309", "-1e999", "nan", "NaN", "-nan", "inf", "-Infinity", "0x10", "1_0", "1,5",
    "", " ", "1 2", "٣", "１", "1e", "e1", "--1", "1.5.2", "1f", "1d0", "2147483647", "2147483648",
    "4294967295", "4294967296", "-2147483649", "9" * 40, "0." + "0" * 60 + "1", "true", "null", "1;", "#1",
    "1\x00", "0b1", "1/2", "4294967297", "18446744073709551616",
)  # fmt: skip
"""Words put in the place of a number."""

SNIPPETS = (
    "<!-- -->", "<![CDATA[x]]>", "<?x y?>", "&amp;", "&#48;", "&#x30;", "&nbsp;", "<x/>", "<!DOCTYPE m>",
    "\x00", "\ufeff", "\n", "\r", "\t", "\u00a0", "]]>", "--", "'", '"', "<", ">", "/>", "&", "=",
    " xmlns=''", " xmlns='urn:x'", " xml:space='preserve'", "solid x\n", "endsolid x\n",
    "facet normal 0 0 0\n", "endloop\n", "endfacet\n", "#", "\\\n", "f 1 2 3\n", "v 0 0 0\n", "l 1 2\n",
    "p 1\n", "g x\n", "o x\n", "usemtl x\n", "3 0 1 2\n", "4 0 1 2 3\n", "COFF\n", "element face 1\n",
    "comment x\n", "property float x\n", "<vertex x='0' y='0' z='0'/>", '<triangle v1="0" v2="1" v3="2"/>',
    '<item objectid="1"/>', '<component objectid="1"/>', "</mesh>", "<mesh>",
)  # fmt: skip
"""Pieces put between others."""

_NUMBER = re.compile(r"[-+]?[0-9][-+.0-9eE]*")
_TAG = re.compile(r"<[^<>]*>")
_ATTRIBUTE = re.compile(r'\s[\w:]+="[^"]*"')
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")

Edit = Callable[[str, Random], str]


def mutated_text(text: str, rng: Random) -> str:
    """`text` after one edit, drawn by `rng`."""
    return rng.choice(_EDITS)(text, rng)


def _number(text: str, rng: Random) -> str:
    return _replaced(text, _NUMBER, rng.choice(NUMBERS), rng)


def _nudged(text: str, rng: Random) -> str:
    """Another number of the same text in the place of one: stays in the grammar, changes the shape."""
    found = _NUMBER.findall(text)
    return _replaced(text, _NUMBER, rng.choice(found), rng) if found else text


def _swapped(text: str, rng: Random) -> str:
    """Two neighbouring numbers exchanged: turns facets over."""
    found = list(_NUMBER.finditer(text))
    if len(found) < 2:
        return text
    first = rng.randrange(len(found) - 1)
    a, b = found[first], found[first + 1]
    return text[: a.start()] + b.group() + text[a.end() : b.start()] + a.group() + text[b.end() :]


def _line(text: str, rng: Random) -> str:
    """A line or tag removed, doubled or moved."""
    lines = text.replace(">", ">\n").split("\n") if "<" in text else text.split("\n")
    place, goal = rng.randrange(len(lines)), rng.randrange(len(lines))
    line = lines[place]
    action = rng.randrange(3)
    if action != 1:
        del lines[place]
    if action != 0:
        lines.insert(goal, line)
    return "\n".join(lines)


def _inserted(text: str, rng: Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(SNIPPETS) + text[place:]


def _between(text: str, rng: Random) -> str:
    """A snippet at the border of a tag or line, where it has a chance to be read."""
    borders = [match.end() for match in re.finditer(r"[>\n]", text)]
    place = rng.choice(borders) if borders else 0
    return text[:place] + rng.choice(SNIPPETS) + text[place:]


def _attribute(text: str, rng: Random) -> str:
    return _replaced(
        text, _ATTRIBUTE, rng.choice(("", ' x=""', ' id="1"', ' p1="0"', ' type="support"')), rng
    )


def _tag(text: str, rng: Random) -> str:
    tags = _TAG.findall(text)
    return _replaced(text, _TAG, rng.choice([*tags, ""]) if tags else "", rng)


def _name(text: str, rng: Random) -> str:
    names = _NAME.findall(text)
    return _replaced(text, _NAME, rng.choice(names), rng) if names else text


def _cut(text: str, rng: Random) -> str:
    start = rng.randrange(len(text) + 1)
    return text[:start] + text[start + rng.choice((1, 2, 8, 64, len(text))) :]


def _replaced(text: str, pattern: re.Pattern[str], new: str, rng: Random) -> str:
    found = list(pattern.finditer(text))
    if not found:
        return text
    match = rng.choice(found)
    return text[: match.start()] + new + text[match.end() :]


_EDITS: tuple[Edit, ...] = (
    _number, _number, _nudged, _nudged, _swapped, _line, _line, _inserted, _between, _attribute, _tag,
    _name, _cut,
)  # fmt: skip
