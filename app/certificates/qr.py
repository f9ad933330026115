"""A QR code (ISO/IEC 18004) drawn as squares, sharp at any size."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import segno

if TYPE_CHECKING:
    from fpdf import FPDF

QUIET_MODULES: Final = 4
"""The margin that a reader needs, in modules."""


def draw_code(sheet: FPDF, text: str, x: float, y: float, size: float) -> None:
    """Draw the code of a text into a square of `size` mm, its quiet margin included.

    Error correction M: up to 15 % of it may be damaged.
    """
    code = segno.make(text, error="m", micro=False, boost_error=False)
    rows = [list(row) for row in code.matrix_iter(scale=1, border=QUIET_MODULES)]
    module = size / len(rows)
    sheet.set_fill_color(0, 0, 0)
    for line, row in enumerate(rows):
        place = 0
        for dark, run in groupby(row):
            length = len(list(run))
            if dark:
                sheet.rect(x + place * module, y + line * module, length * module, module, style="F")
            place += length
