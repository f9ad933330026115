"""The certificate on one A4 page: what to compare with the part, who stands for it, where to verify it."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from app.certificates.paper import Paper
from app.certificates.qr import draw_code
from app.certificates.sheet import (
    FAINT,
    GREEN,
    LEFT_MM,
    RED,
    WIDTH_MM,
    Column,
    heading,
    new_sheet,
    pairs,
    paragraph,
    rule,
    table,
    write,
)
from ledger.print_report import Measurement
from ledger.typed_data import Result

if TYPE_CHECKING:
    from fpdf import FPDF

ATTACHMENT: Final = "certificate.json"
MEASUREMENTS_SHOWN_MAX: Final = 8
_CODE_MM: Final = 33.0
_PICTURE_MM: Final = 52.0
_SERIALS_CHARS_MAX: Final = 90
_VERDICTS: Final = {
    Result.COMPLETED: (GREEN, "Completed"),
    Result.FAILED: (RED, "Failed: no good part came of this print"),
    Result.CANCELLED: (RED, "Cancelled: no good part came of this print"),
}
_FOOT: Final = (
    "Anybody can draw a page like this. What counts is the attached certificate.json together with the serial"
    " number on the part: show it to the page that the code leads to, or run `partvault certificate verify`"
    " against any node of the chain. The names of part, owner, provider and printer are the service's words;"
    " accounts, hashes, times and the report are signed. It proves who licensed, printed and reported this"
    " print; nothing but the serial number ties the piece to it."
)


def draw(paper: Paper, certificate: bytes) -> bytes:
    """Draw the page, with the JSON certificate attached. The same certificate gives the same bytes."""
    says = paper.says
    moment = datetime.fromtimestamp(says.reported.time, UTC)
    words = f"{paper.part}{paper.owner}{paper.provider}{paper.printer}{certificate.decode()}"
    sheet = new_sheet(f"Certificate of print 0x{says.print.hex()}", moment, words)
    _head(sheet, paper)
    _part(sheet, paper)
    _measured(sheet, says.report.measurements)
    _parties(sheet, paper)
    _ledger(sheet, paper)
    _foot(sheet)
    sheet.embed_file(
        bytes=certificate,
        basename=ATTACHMENT,
        modification_date=moment,
        mime_type="application/json",
        desc="the certificate, to be verified",
    )
    written = io.BytesIO()
    sheet.output(written)
    return written.getvalue()


def _head(sheet: FPDF, paper: Paper) -> None:
    says = paper.says
    draw_code(sheet, paper.link, LEFT_MM + WIDTH_MM - _CODE_MM, 15, _CODE_MM)
    sheet.set_xy(LEFT_MM + WIDTH_MM - _CODE_MM, 15 + _CODE_MM)
    write(sheet, "Scan to verify", size=8, colour=FAINT, width=_CODE_MM, align="C")
    width = WIDTH_MM - _CODE_MM - 8
    sheet.set_xy(LEFT_MM, 17)
    write(sheet, "Certificate of a licensed print", size=10.5, colour=FAINT, width=width)
    size = 22 if len(paper.part) <= 30 else 16 if len(paper.part) <= 44 else 11
    write(sheet, _clipped(paper.part, 66), size=size, style="B", height=11, width=width)
    colour, word = _VERDICTS[Result(says.result)]
    write(sheet, word, size=12, style="B", colour=colour, height=7, width=width)
    write(sheet, f"Print {says.place}", size=10, colour=FAINT, width=width)
    sheet.set_y(58)


def _part(sheet: FPDF, paper: Paper) -> None:
    """Picture and the facts beside it."""
    report, top = paper.says.report, sheet.get_y()
    left = LEFT_MM
    if paper.picture is not None:
        sheet.image(io.BytesIO(paper.picture), x=LEFT_MM, y=top, w=_PICTURE_MM, h=_PICTURE_MM)
        left += _PICTURE_MM + 7
    machine = report.machine
    rows = [
        ("Serial number", _clipped(", ".join(report.serials), _SERIALS_CHARS_MAX) or "none was given"),
        ("Part file", f"{report.part.file}, revision {report.part.revision}"),
        ("Design", report.part.design),
        ("Machine", machine.model + (f", serial {machine.serial}" if machine.serial else "")),
        ("Printer", f"{paper.printer} (driver {report.driver})"),
        ("Material", report.material.name or "not named"),
        ("Batch", report.material.batch or "not given"),
        ("Started", _time(report.started_at)),
        ("Ended", _time(report.ended_at)),
        *([("Mass", f"{report.mass_g} g")] if report.mass_g else []),
        ("Remark", report.detail or "none"),
    ]
    pairs(sheet, rows, left=left, width=LEFT_MM + WIDTH_MM - left, name_mm=28, strong="Serial number")
    sheet.set_y(max(sheet.get_y(), top + _PICTURE_MM) + 3)


def _measured(sheet: FPDF, measurements: tuple[Measurement, ...]) -> None:
    heading(sheet, "Measured results")
    if not measurements:
        write(sheet, "None were reported.", size=9, colour=FAINT)
        return
    columns = (
        Column("quantity", 48),
        Column("value", 30),
        Column("tolerance", 40),
        Column("verdict", 18),
        Column("instrument", 38),
    )
    rows = [
        (each.name, f"{each.value} {each.unit}", _limits(each), each.verdict or "-", each.instrument or "-")
        for each in measurements[:MEASUREMENTS_SHOWN_MAX]
    ]
    table(sheet, columns, rows)
    left = len(measurements) - MEASUREMENTS_SHOWN_MAX
    if left > 0:
        write(sheet, f"and {left} more in the attached {ATTACHMENT}", size=8, colour=FAINT)


def _parties(sheet: FPDF, paper: Paper) -> None:
    licence = paper.says.licence
    heading(sheet, "Who stands for it")
    rows = [
        ("Owner", f"{_clipped(paper.owner, 50)} signed the revision and the licence"),
        ("", f"account {licence.owner}"),
        ("Provider", f"{_clipped(paper.provider, 50)} signed the printer's enrolment"),
        ("", f"account {licence.provider}"),
        ("Printer", "signed with its own key that it prints this number, and how it ended with this report"),
    ]
    pairs(sheet, rows, left=LEFT_MM, width=WIDTH_MM, name_mm=22, size=8.5)


def _ledger(sheet: FPDF, paper: Paper) -> None:
    says, domain = paper.says, paper.domain
    heading(sheet, "On the ledger")
    rows = [
        (
            "Contract",
            f"{domain.contract} on chain {domain.chain_id}; it checked every signature",
        ),
        ("Licence", f"0x{says.licence_hash.hex()}"),
        ("Print", f"0x{says.print.hex()}"),
        ("Printer", f"0x{says.printer.hex()}"),
        ("Revision", f"0x{says.licence.revision.hex()}"),
        ("Counted", f"block {says.counted.number}, {_time(says.counted.time)}"),
        ("", paper.counted_by),
        ("Reported", f"block {says.reported.number}, {_time(says.reported.time)}"),
        ("", paper.reported_by),
    ]
    pairs(sheet, rows, left=LEFT_MM, width=WIDTH_MM, name_mm=22, size=8.5)
    sheet.ln(1)
    write(sheet, paper.link, size=7.5, colour=FAINT)


def _foot(sheet: FPDF) -> None:
    sheet.set_y(-30)
    rule(sheet)
    paragraph(sheet, _FOOT, size=7.8, colour=FAINT, height=3.9)


def _limits(measured: Measurement) -> str:
    if measured.lower is None and measured.upper is None:
        return "-"
    if measured.upper is None:
        return f"at least {measured.lower}"
    return f"at most {measured.upper}" if measured.lower is None else f"{measured.lower} to {measured.upper}"


def _time(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
