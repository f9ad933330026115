"""Which printers a caller sees: its own organisation's, and of others what they have enrolled."""

from __future__ import annotations

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal, Role
from app.errors import NotFound
from app.models import Alarm, Printer, Quarantine
from app.printers.states import PrinterState


def printers(principal: Principal) -> SelectOfScalar[Printer]:
    """The printers of the caller's organisation."""
    return select(Printer).where(Printer.organisation_id == principal.organisation_id)


def enrolled(party_id: str) -> SelectOfScalar[Printer]:
    """The printers that an organisation has enrolled, for whoever wants a print there.

    None in quarantine, and none that a successor supersedes.
    """
    held = select(Quarantine.printer_id).where(col(Quarantine.lifted_at).is_(None))
    return (
        select(Printer)
        .where(Printer.organisation_id == party_id)
        .where(Printer.state == PrinterState.ENROLLED)
        .where(col(Printer.successor_id).is_(None))
        .where(col(Printer.id).not_in(held))
    )


def alarms(principal: Principal) -> SelectOfScalar[Alarm]:
    """The alarms about the caller's printers; the operator's are all."""
    query = select(Alarm)
    if principal.has(Role.OPERATOR):
        return query
    return query.where(Alarm.organisation_id == principal.organisation_id)


def printer(session: Session, principal: Principal, printer_id: str) -> Printer:
    """One printer the caller sees; NotFound otherwise."""
    row = session.exec(printers(principal).where(Printer.id == printer_id)).first()
    if row is None:
        raise NotFound("printer", printer_id)
    return row
