"""The letters of a printed page: Helvetica, which every reader has, or fonts that the page takes along.

A page whose words all are Latin-1 (ISO 8859-1) needs no font. Any other is set in FiraGO (Latin, Greek,
Cyrillic, Georgian, Arabic, Hebrew, Devanagari, Thai), with Noto Sans CJK for what that lacks; both are cut
down to the letters used, joined and ordered by HarfBuzz, and can be searched and copied. What neither has,
and what has no shape (controls, reversals of the writing direction), is written as its code point, as in
`[U+1F600]`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fpdf import FPDF

BUILT_IN: Final = "helvetica"
EMBEDDED: Final = "firago"
HAN: Final = "notosanscjk"
_HAN_FACE: Final = 2
"""Noto Sans CJK SC: of letters that are drawn differently by country, the forms of mainland China."""
_JOINERS: Final = "\u200c\u200d"
"""They have no shape, and say how their neighbours are joined (Persian, Devanagari)."""


def take_letters(sheet: FPDF, words: str) -> None:
    """Have the sheet take along the fonts that these words need; none where they are Latin-1."""
    if all(ord(letter) < 256 for letter in words):
        return
    folder = Path(_fira_go().name)
    sheet.add_font(EMBEDDED, "", folder / "FiraGO_Regular.ttf")
    sheet.add_font(EMBEDDED, "B", folder / "FiraGO_Bold.ttf")
    if any(_drawn(letter) and not _has(sheet, EMBEDDED, letter) for letter in set(words)):
        sheet.add_font(HAN, "", _han(), collection_font_number=_HAN_FACE)
        sheet.set_fallback_fonts([HAN], exact_match=False)
    sheet.set_text_shaping(True)


def family(sheet: FPDF) -> str:
    """Name the font that the sheet is set in."""
    return EMBEDDED if EMBEDDED in sheet.fonts else BUILT_IN


def shown(sheet: FPDF, text: str) -> str:
    """Give the text with code points in place of what the sheet's fonts cannot draw."""
    return "".join(letter if _can(sheet, letter) else f"[U+{ord(letter):04X}]" for letter in text)


def _can(sheet: FPDF, letter: str) -> bool:
    if not _drawn(letter):
        return False
    if EMBEDDED not in sheet.fonts:
        return ord(letter) < 256
    return any(_has(sheet, font, letter) for font in (EMBEDDED, HAN) if font in sheet.fonts)


def _drawn(letter: str) -> bool:
    return letter.isprintable() or letter in _JOINERS


def _has(sheet: FPDF, font: str, letter: str) -> bool:
    embedded: Any = sheet.fonts[font]
    return ord(letter) in embedded.cmap


@cache
def _fira_go() -> TemporaryDirectory[str]:
    """Lay the fonts, which their package holds as bytes, where fpdf2 can read them; until the end."""
    folder = TemporaryDirectory(prefix="partvault-fonts-")
    for name in ("FiraGO_Regular", "FiraGO_Bold"):
        (Path(folder.name) / f"{name}.ttf").write_bytes(import_module(f"pymupdf_fonts.{name}").fontbuffer)
    return folder


def _han() -> Path:
    return Path(str(import_module("noto_cjk_sans_otc").FONT_PATH))
