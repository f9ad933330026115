"""A machine's keys rotate: a second printer takes the place of the first, which its own key says.

`app/printers/states.py` has the state machine.
"""

from __future__ import annotations

from sqlmodel import Session, col, select

from app import idempotency, submission
from app.accounts.signing import MANAGED, signature_of
from app.auth.principals import Principal
from app.auth.standing import open_quarantine
from app.encodings import from_hex
from app.errors import Conflict, Invalid, InvalidSignature
from app.idempotency import Attempt, Made
from app.identifiers import PRINTER, new_id
from app.models import Organisation, Printer
from app.printers import queries
from app.printers.busy import under_way
from app.printers.schemas import EnrolRequest
from app.printers.states import PrinterState
from app.tokens import ENROLMENT_CODE_PREFIX, new_token
from app.wiring import Services
from ledger.operations import Retire
from ledger.succession import Succession, verify_succession
from ledger.typed_data import Domain, Retirement

_DRAINED_MAX = 20


def open_rotation(services: Services, request: Attempt, principal: Principal, printer_id: str) -> Made:
    """Make the row of a printer's successor, which waits for its keys; the code is shown once.

    Raises NotFound, and Conflict where the printer cannot be succeeded or has a rotation already.
    """
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        old = queries.printer(session, principal, printer_id)
        require_succeedable(session, old)
        begun = select(Printer.id).where(Printer.predecessor_id == old.id)
        other = session.exec(begun.where(Printer.state != PrinterState.RETIRED)).first()
        if other is not None:
            raise Conflict(
                f"the keys of printer {old.id} rotate already, to printer {other}",
                remedy=f"finish that, or retire {other} and begin anew",
            )
        code, now = new_token(ENROLMENT_CODE_PREFIX, services.entropy), services.clock.now()
        row = Printer(
            id=new_id(PRINTER, services.entropy),
            organisation_id=old.organisation_id,
            name=old.name,
            machine=old.machine,
            state=PrinterState.AWAITING_KEY,
            code_sha256=code.digest(),
            code_expires_at=now + services.settings.enrolment_ttl_s,
            predecessor_id=old.id,
            created_at=now,
        )
        session.add(row)
        return idempotency.keep(session, services, request, row.id, code)


def require_succeedable(session: Session, old: Printer) -> None:
    """Conflict where a printer cannot be succeeded: not enrolled, superseded, or in quarantine."""
    if old.state != PrinterState.ENROLLED or old.successor_id is not None:
        became = "superseded" if old.successor_id is not None else old.state
        raise Conflict(
            f"printer {old.id} is {became}, so its keys do not rotate",
            remedy="rotate the keys of an enrolled printer; else enrol the machine anew",
        )
    if open_quarantine(session, old.id) is not None:
        raise Conflict(
            f"printer {old.id} is in quarantine, so its key's word for another is not taken",
            remedy="lift the quarantine, or retire the printer and enrol the machine anew",
        )


def predecessor_of(session: Session, row: Printer) -> Printer | None:
    """Give the printer that a row succeeds, None for a machine's first."""
    return None if row.predecessor_id is None else session.get_one(Printer, row.predecessor_id)


def newest_of(session: Session, row: Printer) -> Printer:
    """Give the printer that has a machine's newest keys: the row itself where nothing supersedes it.

    Rows that somebody linked in a circle have no newest; then it is one of them.
    """
    seen = set[str]()
    while row.successor_id is not None and row.id not in seen:
        seen.add(row.id)
        row = session.get_one(Printer, row.successor_id)
    return row


def statement_of(before: Printer | None, successor: bytes) -> Succession | None:
    """Give what the predecessor signs, None where there is none."""
    if before is None or before.printer_hash is None:
        return None
    return Succession(predecessor=before.printer_hash, successor=successor)


def require_signed(
    session: Session, domain: Domain, row: Printer, statement: Succession | None, body: EnrolRequest
) -> bytes | None:
    """Give the predecessor's signature over the succession, None where nothing is succeeded.

    Raises Invalid where one is missing or too many, InvalidSignature where it is another's, Conflict where
    the predecessor cannot be succeeded any more, other than by having been succeeded by this very row.
    """
    given = body.succession_signature
    if (statement is None) != (given is None):
        needed = "missing: keys rotate" if given is None else "of no use: nothing rotates"
        raise Invalid(
            f"succession_signature is {needed} by this code",
            field="succession_signature",
            remedy="run `partvault-printer rotate` where keys rotate, `enrol` for a first enrolment",
        )
    before = predecessor_of(session, row)
    if before is None or statement is None or given is None:
        return None
    if before.successor_id != row.id:
        require_succeedable(session, before)
    signature = from_hex(given)
    if not verify_succession(domain, statement, before.key_x or b"", before.key_y or b"", signature):
        raise InvalidSignature(
            "the signature is not by the predecessor's key over this succession",
            field="succession_signature",
            remedy="sign the succession's EIP-712 digest with the keys of before, s in the lower half",
        )
    return signature


def require_approvable(session: Session, row: Printer) -> None:
    """Conflict where a successor's predecessor cannot be succeeded any more."""
    before = predecessor_of(session, row)
    if before is not None:
        require_succeedable(session, before)


def link(session: Session, row: Printer) -> None:
    """Tell the predecessor, in the transaction in which its successor is enrolled, that it is superseded."""
    before = predecessor_of(session, row)
    if before is not None and before.successor_id is None:
        before.successor_id = row.id
        session.add(before)


def is_drained(session: Session, row: Printer) -> bool:
    """Tell whether a printer's retirement is due: it has a successor, and nothing of it is under way."""
    return row.successor_id is not None and not under_way(session, row.id)


def retire_drained(services: Services) -> int:
    """Retire superseded printers with nothing under way, where the service signs for the provider.

    Gives how many retirements it put on their way. A provider with its own account retires them itself.
    """
    with services.database.read() as session:
        query = select(Printer).where(Printer.state == PrinterState.ENROLLED)
        rows = session.exec(query.where(col(Printer.successor_id).is_not(None))).all()
        due = [row for row in rows if _retirable(session, row)][:_DRAINED_MAX]
    return sum(_retire(services, row.id) for row in due)


def _retirable(session: Session, row: Printer) -> bool:
    provider = session.get_one(Organisation, row.organisation_id)
    return provider.account_type == MANAGED and is_drained(session, row)


def _retire(services: Services, printer_id: str) -> bool:
    with services.database.read() as session:
        row = session.get_one(Printer, printer_id)
        provider = session.get_one(Organisation, row.organisation_id)
    statement = Retirement(printer=row.printer_hash or b"")
    operation = Retire(statement, signature_of(services, provider, statement, None))
    with services.database.write() as session:
        row = session.exec(select(Printer).where(Printer.id == printer_id).with_for_update()).one()
        if row.state != PrinterState.ENROLLED or under_way(session, printer_id):
            return False
        row.retire_operation = submission.append(session, operation)
        row.state = PrinterState.RETIRING
        session.add(row)
    return True
