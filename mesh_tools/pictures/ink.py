"""Colours and letters of what is drawn beside and over a part."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from PIL import ImageFont

Colour = tuple[int, int, int]

INK: Final[Colour] = (71, 85, 105)
PAPER: Final[Colour] = (247, 249, 251)
SEVERITY_INK: Final[dict[str, Colour]] = {
    "refuse": (200, 38, 48),
    "warn": (214, 128, 0),
    "info": (37, 99, 190),
}


_SPELT: Final = str.maketrans({"×": "x", "²": "^2", "³": "^3", "≤": "<=", "≥": ">=", "–": "-", "…": "..."})


def drawable(text: str) -> str:
    """`text` in the letters that the font has; others become question marks."""
    return text.translate(_SPELT).encode("latin-1", "replace").decode("latin-1")


@lru_cache(maxsize=8)
def letters(size: int) -> Any:
    """Pillow's own font at `size` pixels: no font file is needed."""
    return ImageFont.load_default(size)
