"""Whether a printer that has proved who it is may be given anything: not while it is in quarantine."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from app.errors import NotPermitted, Reason
from app.models import Quarantine
from ledger.prepared import Prepared

PRINTER_QUARANTINED = Reason(
    "printer_quarantined", "the printer is in quarantine until its provider or the operator lifts it"
)

_HELD = Prepared(
    select(Quarantine.printer_id).where(
        col(Quarantine.printer_id).in_(bindparam("printers", expanding=True)),
        col(Quarantine.lifted_at).is_(None),
    ),
    "printers",
)


def open_quarantine(session: Session, printer_id: str) -> Quarantine | None:
    """Give the quarantine a printer is in, None where it is in none."""
    query = select(Quarantine).where(Quarantine.printer_id == printer_id)
    return session.exec(query.where(col(Quarantine.lifted_at).is_(None))).first()


def held(session: Session, printer_ids: Collection[str]) -> set[str]:
    """Give those of some printers that are in quarantine."""
    return {printer_id for (printer_id,) in _HELD.rows(session.connection(), printers=list(printer_ids))}


def quarantined() -> NotPermitted:
    """The answer to a printer in quarantine; why it is there is told to its provider only."""
    return NotPermitted(
        PRINTER_QUARANTINED.message, reasons=[PRINTER_QUARANTINED], remedy="ask the printer's provider"
    )
