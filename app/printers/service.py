"""Makes printers, approves them on chain, retires them."""

from __future__ import annotations

from sqlmodel import Session

from app import idempotency, submission
from app.accounts.signing import signature_of
from app.auth.principals import Principal
from app.errors import Conflict
from app.idempotency import Attempt, Made
from app.identifiers import PRINTER, new_id
from app.models import Organisation, Printer
from app.printers import queries, succession
from app.printers.enrolment import enrolment_of
from app.printers.facts import stated
from app.printers.schemas import PrinterCreate
from app.printers.states import PrinterState
from app.tokens import ENROLMENT_CODE_PREFIX, new_token
from app.wiring import Services
from ledger.operations import Enrol, Operation, Retire
from ledger.outbox import OperationStatus
from ledger.typed_data import Retirement

_FINAL = {submission.CONFIRMED, submission.REJECTED}


def create_printer(services: Services, request: Attempt, principal: Principal, body: PrinterCreate) -> Made:
    """Make a printer that waits for its key; the code is shown once.

    Raises Invalid for a calibration that is yet to come.
    """
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        code, now = new_token(ENROLMENT_CODE_PREFIX, services.entropy), services.clock.now()
        row = Printer(
            id=new_id(PRINTER, services.entropy),
            organisation_id=principal.organisation_id,
            name=body.name,
            machine=stated(body.machine.model_dump(mode="json"), body.machine, principal, now),
            state=PrinterState.AWAITING_KEY,
            code_sha256=code.digest(),
            code_expires_at=now + services.settings.enrolment_ttl_s,
            created_at=now,
        )
        session.add(row)
        return idempotency.keep(session, services, request, row.id, code)


def settle(session: Session, row: Printer) -> tuple[OperationStatus | None, OperationStatus | None]:
    """Bring the row in line with the outbox; gives the status of its enrolment and of its retirement."""
    enrolled = submission.status_of(session, row.enrol_operation) if row.enrol_operation else None
    retired = submission.status_of(session, row.retire_operation) if row.retire_operation else None
    if row.state == PrinterState.APPROVING and enrolled and enrolled.state in _FINAL:
        confirmed = enrolled.state == submission.CONFIRMED
        row.state = PrinterState.ENROLLED if confirmed else PrinterState.AWAITING_APPROVAL
        if confirmed:
            succession.link(session, row)
        session.add(row)
    if row.state == PrinterState.RETIRING and retired and retired.state in _FINAL:
        confirmed = retired.state == submission.CONFIRMED
        row.state = PrinterState.RETIRED if confirmed else PrinterState.ENROLLED
        session.add(row)
    return enrolled, retired


def approve(services: Services, principal: Principal, printer_id: str, supplied: bytes | None) -> bool:
    """Put the enrolment on chain and wait a while; tells whether it is there."""
    row, provider = _read(services, principal, printer_id)
    if row.state in {PrinterState.APPROVING, PrinterState.ENROLLED}:
        return _wait(services, principal, printer_id, row.enrol_operation, "the enrolment")
    statement = enrolment_of(row, provider)
    if row.state != PrinterState.AWAITING_APPROVAL or statement is None or row.possession_signature is None:
        raise Conflict(
            f"printer {row.id} is {row.state}, not awaiting approval",
            remedy="run the printer's enrolment with its code first",
        )
    with services.database.read() as session:
        succession.require_approvable(session, row)
    signature = signature_of(services, provider, statement, supplied)
    operation = Enrol(statement, signature, row.possession_signature)
    submission.require_acceptable(services, operation)
    operation_id = _move(services, principal, row, PrinterState.APPROVING, operation)
    return _wait(services, principal, printer_id, operation_id, "the enrolment")


def retire(services: Services, principal: Principal, printer_id: str, supplied: bytes | None) -> bool:
    """Retire the printer, on chain where it is enrolled there; nothing is released to it from now on."""
    row, provider = _read(services, principal, printer_id)
    if row.state in {PrinterState.AWAITING_KEY, PrinterState.AWAITING_APPROVAL}:
        with services.database.write() as session:
            held = queries.printer(session, principal, printer_id)
            _require_state(held, row.state)
            held.state, held.code_sha256 = PrinterState.RETIRED, None
            session.add(held)
        return True
    if row.state in {PrinterState.RETIRING, PrinterState.RETIRED}:
        return row.retire_operation is None or _wait(
            services, principal, printer_id, row.retire_operation, "the retirement"
        )
    if row.state != PrinterState.ENROLLED or row.printer_hash is None:
        raise Conflict(f"printer {row.id} is {row.state}", remedy="wait until its enrolment is confirmed")
    statement = Retirement(printer=row.printer_hash)
    operation = Retire(statement, signature_of(services, provider, statement, supplied))
    submission.require_acceptable(services, operation)
    operation_id = _move(services, principal, row, PrinterState.RETIRING, operation)
    return _wait(services, principal, printer_id, operation_id, "the retirement")


def _read(services: Services, principal: Principal, printer_id: str) -> tuple[Printer, Organisation]:
    with services.database.read() as session:
        row = queries.printer(session, principal, printer_id)
        settle(session, row)
        return row, session.get_one(Organisation, row.organisation_id)


def _require_state(row: Printer, state: str) -> None:
    if row.state != state:
        raise Conflict(f"printer {row.id} became {row.state} meanwhile", remedy="read it and ask again")


def _move(
    services: Services, principal: Principal, seen: Printer, target: PrinterState, operation: Operation
) -> str:
    """Change the state and append the operation, in one transaction."""
    with services.database.write() as session:
        row = queries.printer(session, principal, seen.id)
        settle(session, row)
        _require_state(row, seen.state)
        if target == PrinterState.APPROVING:
            succession.require_approvable(session, row)
        operation_id = submission.append(session, operation)
        if target == PrinterState.APPROVING:
            row.enrol_operation = operation_id
        else:
            row.retire_operation = operation_id
        row.state = target
        session.add(row)
        return operation_id


def _wait(
    services: Services, principal: Principal, printer_id: str, operation_id: str | None, what: str
) -> bool:
    if operation_id is None:
        return False
    status = submission.concluded(
        services,
        operation_id,
        what,
        lambda session: settle(session, queries.printer(session, principal, printer_id)),
    )
    return status.state == submission.CONFIRMED
