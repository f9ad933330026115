"""What a provider states of its machine, and the record of who stated what and when.

The facts are the provider's word, as enrolment and materials are: nobody proves where a machine stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, select

from app.auth.principals import Principal
from app.errors import Conflict, Invalid
from app.models import Printer
from app.printers import queries
from app.printers.schemas import MachineFacts
from app.printers.states import PrinterState
from app.wiring import Services

STATEMENTS_MAX = 100
RECORD = "stated"
"""The machine's member that keeps the statements, oldest first."""


def state_facts(services: Services, principal: Principal, printer_id: str, facts: MachineFacts) -> None:
    """Replace what is stated of a machine; prints authorised from now on, and redeemed, are held to it.

    Raises NotFound, Conflict for a printer that is retired, and what `stated` raises.
    """
    with services.database.write() as session:
        queries.printer(session, principal, printer_id)
        row = _locked(session, printer_id)
        if row.state in {PrinterState.RETIRING, PrinterState.RETIRED}:
            raise Conflict(f"printer {row.id} is {row.state}", remedy="state facts of printers that print")
        row.machine = stated(row.machine, facts, principal, services.clock.now())
        session.add(row)


def stated(machine: Mapping[str, Any], facts: MachineFacts, principal: Principal, now: int) -> dict[str, Any]:
    """Give the machine with its facts replaced and the statement recorded; a repeat records nothing.

    The newest statements are kept, `STATEMENTS_MAX` of them. Raises Invalid for a calibration that is yet to
    come.
    """
    said = {name: getattr(facts, name) for name in MachineFacts.model_fields}
    if facts.calibrated_at is not None and facts.calibrated_at > now:
        raise Invalid(
            f"calibrated_at is {facts.calibrated_at}, which is yet to come; it is {now} now",
            field="calibrated_at",
            remedy="write when the machine was last calibrated, as Unix time in seconds",
        )
    record = list(machine.get(RECORD) or [])
    if not record or record[-1]["facts"] != said:
        record.append({"at": now, "by": principal.organisation_id, "key": principal.key_id, "facts": said})
    return {**machine, **said, RECORD: record[-STATEMENTS_MAX:]}


def _locked(session: Session, printer_id: str) -> Printer:
    return session.exec(select(Printer).where(Printer.id == printer_id).with_for_update()).one()
