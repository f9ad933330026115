"""The parts that a printed page is made of: text, pairs, tables, rules, in the audit report's style."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app.certificates.letters import family, shown, take_letters

if TYPE_CHECKING:
    from fpdf import FPDF

LEFT_MM: Final = 18.0
WIDTH_MM: Final = 174.0
GREEN, RED, INK, FAINT, LINE = (22, 120, 70), (176, 32, 36), (40, 44, 52), (110, 116, 126), (214, 218, 224)


@dataclass(frozen=True)
class Column:
    """A column of a table: its head and its width."""

    name: str
    width_mm: float


def new_sheet(title: str, moment: datetime, words: str) -> FPDF:
    """Give an A4 page of the margins all of them have, dated `moment`, with the letters of these words."""
    from fpdf import FPDF

    sheet = FPDF(format="A4")
    sheet.set_creation_date(moment)
    sheet.set_title(title)
    sheet.set_auto_page_break(False)
    sheet.set_margins(LEFT_MM, LEFT_MM)
    take_letters(sheet, words)
    sheet.add_page()
    return sheet


def write(
    sheet: FPDF,
    text: str,
    *,
    size: float,
    colour: Sequence[int] = INK,
    style: str = "",
    height: float = 5.0,
    width: float = WIDTH_MM,
    align: str = "L",
) -> None:
    """Write a line, cut where the width ends, and go to the next one at the left margin."""
    _font(sheet, size, colour, style)
    sheet.cell(width, height, _fitted(sheet, text, width), align=align, new_x="LMARGIN", new_y="NEXT")


def paragraph(sheet: FPDF, text: str, *, size: float, colour: Sequence[int], height: float) -> None:
    """Write text over as many lines as it takes."""
    _font(sheet, size, colour)
    sheet.multi_cell(WIDTH_MM, height, shown(sheet, text), align="L")


def heading(sheet: FPDF, text: str) -> None:
    """Write the title of a part of the page, over a line."""
    sheet.ln(2)
    rule(sheet)
    write(sheet, text, size=10, style="B", height=6)


def rule(sheet: FPDF) -> None:
    """Draw a line over the whole width."""
    sheet.set_draw_color(*LINE)
    sheet.set_line_width(0.2)
    sheet.line(LEFT_MM, sheet.get_y(), LEFT_MM + WIDTH_MM, sheet.get_y())
    sheet.ln(1.2)


def pairs(
    sheet: FPDF,
    rows: Sequence[tuple[str, str]],
    *,
    left: float,
    width: float,
    name_mm: float,
    size: float = 9.5,
    strong: str = "",
) -> None:
    """Write names and values, one a line; the value of `strong` stands out."""
    height = size * 0.5
    for name, value in rows:
        sheet.set_x(left)
        _font(sheet, size, FAINT)
        sheet.cell(name_mm, height, name)
        stands_out = bool(strong) and name == strong
        _font(sheet, size + 2 if stands_out else size, INK, "B" if stands_out else "")
        room = width - name_mm
        sheet.cell(room, height, _fitted(sheet, value, room), new_x="LMARGIN", new_y="NEXT")


def table(sheet: FPDF, columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Write rows under their heads."""
    for cells, colour in ((tuple(column.name for column in columns), FAINT), *((row, INK) for row in rows)):
        _font(sheet, 8.8, colour)
        for column, text in zip(columns, cells, strict=True):
            verdict = {"pass": GREEN, "fail": RED}.get(text) if column.name == "verdict" else None
            sheet.set_text_color(*(verdict or colour))
            sheet.cell(column.width_mm, 4.6, _fitted(sheet, text, column.width_mm - 2))
        sheet.ln(4.6)


def _fitted(sheet: FPDF, text: str, width: float) -> str:
    """Give the text as far as it fits."""
    whole = shown(sheet, text)

    def too_wide(length: int) -> bool:
        return sheet.get_string_width(whole[:length] + "...") > width - 1

    if sheet.get_string_width(whole) <= width - 1:
        return whole
    most = bisect_left(range(len(whole) + 1), True, key=too_wide) - 1
    return whole[: max(most, 0)] + "..."


def _font(sheet: FPDF, size: float, colour: Sequence[int], style: str = "") -> None:
    sheet.set_font(family(sheet), style, size)
    sheet.set_text_color(*colour)
