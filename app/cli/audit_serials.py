"""Serial numbers for the audit: exactly those that reports of completed prints have, each on its print."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from app.cli.audit_rows import Inventory
from app.models import PartSerial, Print
from ledger.audit import Finding
from ledger.typed_data import Result


def findings(kept: Iterable[PartSerial], rows: Inventory) -> Iterator[Finding]:
    """Yield each number that is kept and in no report, or in a report and not kept."""
    told = {place: row.id for row in rows.prints.values() for place in _told(row, rows)}
    for each in kept:
        name = f"part_serials {each.design_id} {each.serial}"
        of_print = told.pop((each.design_id, each.serial), None)
        if of_print is None:
            yield Finding(name, "design_id, serial, row", "no completed print of this design reported it")
        elif of_print != each.print_id:
            yield Finding(name, "print_id", f"is {each.print_id}, the report is that of {of_print}")
    for (design_id, serial), of_print in told.items():
        name = f"part_serials {design_id} {serial}"
        yield Finding(name, "design_id, serial, row", f"is missing, print {of_print} reported it")


def _told(row: Print, rows: Inventory) -> Iterator[tuple[str, str]]:
    """Yield design and number of each piece that a completed print reported."""
    licence = rows.licences.get(row.licence_id)
    revision = None if licence is None else rows.revisions.get(licence.revision_id)
    if row.outcome is None or row.outcome.get("result") != Result.COMPLETED or revision is None:
        return
    try:
        serials = json.loads(row.report or "{}").get("serials", [])
    except ValueError:
        return
    for serial in serials if isinstance(serials, list) else ():
        yield revision.design_id, str(serial)
