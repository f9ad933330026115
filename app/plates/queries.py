"""Which plates a caller sees: its provider all of it, an owner its own prints; a printer its own plates."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from app.auth.principals import Principal, PrinterPrincipal
from app.errors import NotFound
from app.models import Plate, Print
from app.prints import queries as print_queries


def plate_of(session: Session, principal: Principal, plate_id: str) -> tuple[Plate, Sequence[Print]]:
    """One plate with those of its prints that the caller sees, in order; NotFound where it sees none."""
    mine = print_queries.prints(principal).where(Print.plate_id == plate_id)
    prints = session.exec(mine.order_by(col(Print.plate_part))).all()
    if not prints:
        raise NotFound("plate", plate_id)
    return session.get_one(Plate, plate_id), prints


def provided(session: Session, principal: Principal, plate_id: str) -> tuple[Plate, Sequence[Print]]:
    """One plate of the caller's printers with all its prints, locked; NotFound otherwise."""
    plate, _ = plate_of(session, principal, plate_id)
    if plate.provider_id != principal.organisation_id:
        raise NotFound("plate", plate_id)
    return plate, prints_of(session, plate_id)


def on_printer(session: Session, principal: PrinterPrincipal) -> tuple[Plate, Sequence[Print]]:
    """The plate whose token the printer came with, and its prints, locked; NotFound otherwise."""
    plate_id = principal.print_id or ""
    plate = session.get(Plate, plate_id)
    if plate is None or plate.printer_id != principal.printer_id:
        raise NotFound("plate", plate_id)
    return plate, prints_of(session, plate_id)


def prints_of(session: Session, plate_id: str) -> Sequence[Print]:
    """All prints of a plate, in order, locked."""
    query = select(Print).where(Print.plate_id == plate_id).order_by(col(Print.plate_part))
    return session.exec(query.with_for_update()).all()
