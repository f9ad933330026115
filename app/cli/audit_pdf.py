"""The audit's report on one page: verdict, counts, findings, and the chart."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.audit_chart import HEIGHT, WIDTH, draw
from app.cli.audit_tables import GRANTS, OUTCOMES, PRINTS, AuditTables, times

if TYPE_CHECKING:
    from fpdf import FPDF

    from ledger.audit import AuditReport

_SHOWN_MAX: Final = 12
_MARGIN_MM, _WIDTH_MM = 18.0, 174.0
_CHARS_MAX: Final = 110
_GREEN, _RED, _INK, _FAINT = (22, 120, 70), (176, 32, 36), (40, 44, 52), (110, 116, 126)


@dataclass(frozen=True)
class Head:
    """The block that an audit went up to."""

    number: int
    hash: bytes
    time: int


def write(path: Path, report: AuditReport, tables: AuditTables, head: Head) -> None:
    """Write the report as a PDF of one A4 page. The same audit of the same head gives the same bytes."""
    from fpdf import FPDF

    page = FPDF(format="A4")
    moment = datetime.fromtimestamp(head.time, UTC)
    page.set_creation_date(moment)
    page.set_title("Audit of a PartVault print ledger")
    page.set_auto_page_break(False)
    page.set_margins(_MARGIN_MM, _MARGIN_MM)
    page.add_page()
    _verdict(page, report)
    _facts(page, report, head, moment)
    _chart(page, tables, head)
    _findings(page, report)
    _footer(page)
    page.output(str(path))


def _verdict(page: FPDF, report: AuditReport) -> None:
    _text(page, "Audit of a PartVault print ledger", size=11, colour=_FAINT)
    count = len(report.findings)
    found = f"{count:,} disagreement{'' if count == 1 else 's'} found"
    said, colour = ("Everything agrees", _GREEN) if report.ok else (found, _RED)
    _text(page, said, size=24, colour=colour, style="B", height=13)


def _facts(page: FPDF, report: AuditReport, head: Head, moment: datetime) -> None:
    page.ln(2)
    lines = (
        ("Chain", str(report.chain_id)),
        ("Contract", report.contract),
        ("Head", f"block {head.number:,} of {moment:%Y-%m-%d %H:%M:%S} UTC"),
        ("", f"0x{head.hash.hex()}"),
    )
    for name, value in lines:
        _pair(page, name, value)
    page.ln(2)
    shown = [(name.replace("_", " "), count) for name, count in report.counts.items()]
    for start in range(0, len(shown), 4):
        for name, count in shown[start : start + 4]:
            x, y = page.get_x(), page.get_y()
            _font(page, 13, _INK, "B")
            page.cell(_WIDTH_MM / 4, 6, f"{count:,}")
            page.set_xy(x, y + 5.5)
            _font(page, 8.5, _FAINT)
            page.cell(_WIDTH_MM / 4, 4, _plain(name))
            page.set_xy(x + _WIDTH_MM / 4, y)
        page.ln(12)


def _chart(page: FPDF, tables: AuditTables, head: Head) -> None:
    series = {
        "Grants": times(tables.grants, GRANTS),
        "Prints": times(tables.prints, PRINTS),
        "Outcomes": times(tables.outcomes, OUTCOMES),
    }
    _text(
        page, "Grants, prints and outcomes on the ledger so far, by time (UTC)", size=10, style="B", height=7
    )
    picture = io.BytesIO(draw(series, head.time))
    page.image(picture, w=_WIDTH_MM, h=_WIDTH_MM * HEIGHT / WIDTH)
    page.ln(3)


def _findings(page: FPDF, report: AuditReport) -> None:
    _text(page, "Findings", size=10, style="B", height=7)
    if report.ok:
        _text(page, "None: every row and every event that was looked at agrees.", size=9)
        return
    for finding in report.findings[:_SHOWN_MAX]:
        _text(page, _short(f"{finding.row} · {finding.field}: {finding.problem}"), size=8, height=4.6)
    left = len(report.findings) - _SHOWN_MAX
    if left > 0:
        text = f"and {left:,} more: --csv or --json gives all {len(report.findings):,}"
        _text(page, text, size=8.5, style="B", height=6)


def _footer(page: FPDF) -> None:
    page.set_y(-16)
    _text(
        page,
        "Made by partvault audit. Whoever repeats it on the same data up to this block gets this page.",
        size=8,
        colour=_FAINT,
    )


def _pair(page: FPDF, name: str, value: str) -> None:
    _font(page, 9.5, _FAINT)
    page.cell(22, 5.2, name)
    _font(page, 9.5, _INK)
    page.cell(_WIDTH_MM - 22, 5.2, _plain(value), new_x="LMARGIN", new_y="NEXT")


def _text(
    page: FPDF,
    text: str,
    *,
    size: float,
    colour: Sequence[int] = _INK,
    style: str = "",
    height: float = 5.5,
) -> None:
    _font(page, size, colour, style)
    page.cell(_WIDTH_MM, height, _plain(text), new_x="LMARGIN", new_y="NEXT")


def _font(page: FPDF, size: float, colour: Sequence[int], style: str = "") -> None:
    page.set_font("Helvetica", style, size)
    page.set_text_color(*colour)


def _short(text: str) -> str:
    return text if len(text) <= _CHARS_MAX else text[: _CHARS_MAX - 3] + "..."


def _plain(text: str) -> str:
    """Write with the letters that every reader's built-in font has."""
    shown = text.replace("…", "...").encode("latin-1", "replace").decode("latin-1")
    return "".join(letter if letter.isprintable() else "?" for letter in shown)
