"""What a printer's report may say: its format, and nothing that the print it is about contradicts."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlmodel import Session

from app import submission
from app.encodings import JsonObject
from app.errors import Invalid
from app.models import Licence, Print, Printer, Revision
from ledger.commitment import canonical_json
from ledger.errors import TypedDataError
from ledger.print_report import NAME_CHARS_MAX, REPORT_BYTES_MAX, PrintedPart, PrintReport, plain_text
from ledger.typed_data import PrintOutcome, Result, print_id

_FORMAT = "see docs/formats/report.md"


@dataclass(frozen=True)
class PrintFacts:
    """What is known of a print before its report: names on chain, part, when it was counted, and now."""

    print_hash: bytes
    printer_hash: bytes
    revision_hash: bytes
    part: PrintedPart
    counted_at: int
    now: int


def facts_of(session: Session, row: Print, licence: Licence, printer: Printer, now: int) -> PrintFacts:
    """Gather what a print's report is held against."""
    revision = session.get_one(Revision, licence.revision_id)
    recorded = submission.status_of(session, row.record_operation) if row.record_operation else None
    receipt = submission.receipt(recorded)
    return PrintFacts(
        print_hash=print_id(licence.licence_hash, row.sequence),
        printer_hash=printer.printer_hash or b"",
        revision_hash=revision.revision_hash or b"",
        part=part_of(revision),
        counted_at=0 if receipt is None else receipt.block_time,
        now=now,
    )


def part_of(revision: Revision) -> PrintedPart:
    """Give the part as its manifest names it."""
    manifest = json.loads(revision.manifest or "{}")
    filename = manifest["files"][0]["filename"] if manifest else ""
    return PrintedPart(
        design=revision.design_id,
        revision=revision.number,
        file=plain_text(filename, NAME_CHARS_MAX) or "part",
    )


def require_sound(report: JsonObject, outcome: PrintOutcome, facts: PrintFacts) -> PrintReport:
    """Read a report and hold it against its print.

    1. It is not too long, and keeps to its format.
    2. It is about this print, by this printer, of this part, with the outcome's result.
    3. Its times can be: nothing before the print was counted, nothing yet to come.

    Raises Invalid naming the member at fault.
    """
    # (1) the format
    if len(canonical_json(report)) > REPORT_BYTES_MAX:
        raise Invalid(f"the report has more than {REPORT_BYTES_MAX} bytes", field="report", remedy=_FORMAT)
    try:
        said = PrintReport.from_json(report)
    except TypedDataError as error:
        raise Invalid(str(error), field=error.field, remedy=_FORMAT) from None
    # (2) the print
    expected = {
        "print": facts.print_hash,
        "printer": facts.printer_hash,
        "revision": facts.revision_hash,
        "part": facts.part,
        "result": Result(outcome.result),
    }
    for name, value in expected.items():
        if getattr(said, name) != value:
            raise Invalid(f"report.{name} is not that of the print reported", field=f"report.{name}")
    # (3) the times
    problem = said.implausible(facts.counted_at, facts.now)
    if problem is not None:
        name, what = problem
        raise Invalid(f"report.{name} {what}", field=f"report.{name}", remedy="set the machine's clock")
    return said
