"""Reads the text of a PDF's embedded fonts back, by their ToUnicode maps (ISO 32000-1, 9.10.3)."""

from __future__ import annotations

import re

from tests.app.certificates.printed import streams

_SHOWN = re.compile(rb"/F(\d+) [\d.]+ Tf|\(((?:[^()\\]|\\.)*)\) Tj|\bET\b", re.DOTALL)
_ESCAPED = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def lines_of(pdf: bytes) -> list[str]:
    """The texts of the page in the order they are drawn; fonts are numbered in the order of their maps."""
    found = streams(pdf)
    maps = [_map(each) for each in found if b"beginbfchar" in each]
    (content,) = [each for each in found if b" Tf" in each and b"BT" in each]
    lines, font = [""], 0
    for token in _SHOWN.finditer(content):
        if token[1] is not None:
            font = int(token[1]) - 1
        elif token[2] is not None:
            shown = re.sub(rb"\\(.)", lambda each: _ESCAPED.get(each[1], each[1]), token[2], flags=re.DOTALL)
            codes = [int.from_bytes(shown[at : at + 2], "big") for at in range(0, len(shown), 2)]
            lines[-1] += "".join(maps[font][code] for code in codes)
        elif lines[-1]:
            lines.append("")
    return lines


def _map(stream: bytes) -> dict[int, str]:
    pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>\n", stream)
    return {int(code, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}
