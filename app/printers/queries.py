"""Which printers a caller sees: its own organisation's."""

from __future__ import annotations

from sqlmodel import Session, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal
from app.errors import NotFound
from app.models import Printer


def printers(principal: Principal) -> SelectOfScalar[Printer]:
    """The printers of the caller's organisation."""
    return select(Printer).where(Printer.organisation_id == principal.organisation_id)


def printer(session: Session, principal: Principal, printer_id: str) -> Printer:
    """One printer the caller sees; NotFound otherwise."""
    row = session.exec(printers(principal).where(Printer.id == printer_id)).first()
    if row is None:
        raise NotFound("printer", printer_id)
    return row
