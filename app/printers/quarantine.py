"""Quarantine: a printer gets nothing until it is lifted, though its enrolment on chain goes on.

The open quarantine is a row that authorisation, redemption and release read in their own transactions, so it
holds in every process from the moment it is committed.
"""

from __future__ import annotations

import structlog
from sqlmodel import Session, select

from app.auth.principals import Principal, Role
from app.auth.standing import open_quarantine
from app.errors import Conflict, Forbidden, NotFound
from app.identifiers import QUARANTINE, new_id
from app.models import Printer, Quarantine
from app.printers import queries
from app.printers.states import PrinterState
from app.wiring import Services

_QUARANTINABLE = {PrinterState.APPROVING, PrinterState.ENROLLED}
_log = structlog.get_logger("app.printers")


def place(services: Services, principal: Principal, printer_id: str, reason: str) -> None:
    """Put a printer in quarantine; once it is in one, a repeat changes nothing.

    An operator's takes the place of a provider's. Raises NotFound, and Conflict where nothing can be released
    to the printer anyway.
    """
    by_operator = principal.has(Role.OPERATOR)
    with services.database.write() as session:
        printer = warded(session, principal, printer_id)
        held = open_quarantine(session, printer_id)
        if held is not None and held.by_operator >= by_operator:
            return
        if held is not None:
            _close(services, session, principal, held)
            session.flush()
        elif printer.state not in _QUARANTINABLE:
            raise Conflict(
                f"printer {printer_id} is {printer.state}, so nothing is released to it anyway",
                remedy="leave it unapproved, or retire it",
            )
        row = Quarantine(
            id=new_id(QUARANTINE, services.entropy),
            printer_id=printer_id,
            reason=reason,
            by_operator=by_operator,
            placed_by=principal.key_id,
            placed_at=services.clock.now(),
        )
        session.add(row)
    _log.warning("printer in quarantine", printer=printer_id, key=principal.key_id)


def lift(services: Services, principal: Principal, printer_id: str) -> None:
    """Lift a printer's quarantine, if it is in one.

    Raises NotFound, and Forbidden for a provider where the operator placed it.
    """
    with services.database.write() as session:
        warded(session, principal, printer_id)
        held = open_quarantine(session, printer_id)
        if held is None:
            return
        if held.by_operator and not principal.has(Role.OPERATOR):
            raise Forbidden(
                f"the service's operator put printer {printer_id} in quarantine",
                remedy="ask the operator to lift it",
            )
        _close(services, session, principal, held)
    _log.warning("quarantine lifted", printer=printer_id, key=principal.key_id)


def warded(session: Session, principal: Principal, printer_id: str) -> Printer:
    """Give the printer, locked: the operator may stop any, a provider its own."""
    query = select(Printer) if principal.has(Role.OPERATOR) else queries.printers(principal)
    row = session.exec(query.where(Printer.id == printer_id).with_for_update()).first()
    if row is None:
        raise NotFound("printer", printer_id)
    return row


def _close(services: Services, session: Session, principal: Principal, held: Quarantine) -> None:
    held.lifted_by, held.lifted_at = principal.key_id, services.clock.now()
    session.add(held)
