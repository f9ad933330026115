"""Outcomes: what the printer says of a print, signed, on chain; a failure is credited by the contract."""

from __future__ import annotations

import hmac

from sqlmodel import Session

from app import submission
from app.auth.principals import PrinterPrincipal
from app.encodings import from_hex
from app.errors import Conflict, Invalid, InvalidSignature
from app.models import Licence, Print, Printer
from app.prints import queries, reports, serials
from app.prints.lifecycle import Event, State
from app.prints.schemas import OutcomeRequest
from app.prints.transition import apply
from app.wiring import Services
from ledger.commitment import canonical_json, report_commitment
from ledger.operations import RecordOutcome
from ledger.outbox import OperationStatus
from ledger.print_report import PrintReport
from ledger.typed_data import PrintOutcome, Result, digest, verify_printer_signature

_EVENTS = {Result.COMPLETED: Event.COMPLETE, Result.FAILED: Event.FAIL, Result.CANCELLED: Event.CANCEL}


def settle(session: Session, row: Print) -> OperationStatus | None:
    """Bring the row in line with the outbox; gives the outcome's status, None where there is none."""
    if row.outcome_operation is None or row.outcome is None:
        return None
    status = submission.status_of(session, row.outcome_operation)
    if row.state == State.REDEEMED and status.state == submission.CONFIRMED:
        apply(session, row, _EVENTS[Result(row.outcome["result"])])
    return status


def report(
    services: Services, principal: PrinterPrincipal, printed: str, body: OutcomeRequest
) -> OperationStatus:
    """Take a printer's outcome and put it on chain.

    1. The print was released to this printer and has no other outcome.
    2. The outcome is about this print, and commits to the report that came with it.
    3. The report keeps to its format, and says nothing that this print contradicts.
    4. The enrolled key signed the outcome.
    5. One transaction: report, outcome, serial numbers and outbox row.

    The same outcome again gets the same answer. Raises NotFound, Conflict, Invalid, InvalidSignature,
    LedgerRejected.
    """
    outcome = PrintOutcome.from_json(body.outcome)
    with services.database.read() as session:
        row = queries.on_printer(session, principal, printed)
        licence, printer = session.get_one(Licence, row.licence_id), session.get_one(Printer, row.printer_id)
        facts = reports.facts_of(session, row, licence, printer, submission.now(services, session))
    # (1) the print
    if row.outcome is None:
        if row.state != State.REDEEMED:
            raise Conflict(
                f"print {row.id} is {row.state}, so it has no outcome", remedy="report redeemed prints"
            )
        # (2) the statement
        _require_fitting(outcome, body, facts.print_hash)
        # (3) the report
        said = reports.require_sound(body.report, outcome, facts)
        # (4) the signature
        operation = _signed(services, outcome, row, licence, printer, from_hex(body.signature))
        submission.require_acceptable(services, operation)
        # (5) the transaction
        _store(services, principal, row, body, operation, said)
    return _wait(services, principal, printed, outcome)


def _require_fitting(outcome: PrintOutcome, body: OutcomeRequest, expected: bytes) -> None:
    if outcome.result not in set(Result):
        raise Invalid(
            f"result {outcome.result} is unknown",
            field="outcome.result",
            remedy="1 completed, 2 failed or 3 cancelled",
        )
    if not hmac.compare_digest(outcome.print, expected):
        raise Invalid("the outcome is about another print", field="outcome.print")
    committed = report_commitment(from_hex(body.report_salt), canonical_json(body.report))
    if not hmac.compare_digest(committed, outcome.report):
        raise Invalid(
            "the outcome's commitment is not to this report and salt",
            field="outcome.report",
            remedy="commit to the canonical JSON of the report",
        )


def _signed(
    services: Services,
    outcome: PrintOutcome,
    row: Print,
    licence: Licence,
    printer: Printer,
    signature: bytes,
) -> RecordOutcome:
    key_x, key_y = printer.key_x or b"", printer.key_y or b""
    if not verify_printer_signature(digest(services.ledger.domain, outcome), key_x, key_y, signature):
        raise InvalidSignature(
            "the signature is not by the printer's enrolled key over this outcome", field="signature"
        )
    return RecordOutcome(
        licence=licence.licence_hash,
        sequence=row.sequence,
        outcome=outcome,
        key_x=key_x,
        key_y=key_y,
        signature=signature,
    )


def _store(
    services: Services,
    principal: PrinterPrincipal,
    seen: Print,
    body: OutcomeRequest,
    operation: RecordOutcome,
    said: PrintReport,
) -> None:
    """Keep the outcome, or nothing but the reason where a serial number is another print's."""
    with services.database.write() as session:
        row = queries.on_printer(session, principal, seen.id)
        if row.outcome is not None or row.state != State.REDEEMED:
            return
        taken = serials.claim(session, row, said)
        if taken is None:
            row.outcome = operation.outcome.to_json()
            row.report = canonical_json(body.report).decode()
            row.report_salt = from_hex(body.report_salt)
            row.outcome_operation = submission.append(session, operation)
        session.add(row)
    if taken is not None:
        raise Conflict(
            taken.message,
            field="report.serials",
            remedy="read the number on the piece and report again with --serial",
            reasons=[taken],
        )


def _wait(
    services: Services, principal: PrinterPrincipal, printed: str, outcome: PrintOutcome
) -> OperationStatus:
    with services.database.read() as session:
        row = queries.on_printer(session, principal, printed)
    if row.outcome != outcome.to_json() or row.outcome_operation is None:
        raise Conflict(f"print {printed} has another outcome already", remedy="a print has one outcome")
    return submission.concluded(
        services,
        row.outcome_operation,
        "the outcome",
        lambda session: settle(session, queries.on_printer(session, principal, printed)),
    )
