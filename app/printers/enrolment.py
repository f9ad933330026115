"""A printer enrols itself: a one-time code from its provider, its keys, and a proof that it holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import Session, select

from app.accounts.signing import address_of
from app.encodings import from_base64, from_hex
from app.errors import Conflict, Invalid, InvalidSignature, NotFound
from app.models import Organisation, Printer
from app.printers import evidence, succession
from app.printers.schemas import ChallengeView, EnrolRequest
from app.printers.states import PrinterState
from app.tokens import Token
from app.wiring import Services
from ledger.errors import SignatureError
from ledger.sealing import sealing_statement, verify_sealing_key
from ledger.succession import Succession
from ledger.typed_data import Domain, Enrolment, SealingKey, digest, verify_printer_signature
from storage.recipients import validate_public

_BEFORE_APPROVAL = {PrinterState.AWAITING_KEY, PrinterState.AWAITING_APPROVAL}
_APPROVED = {PrinterState.APPROVING, PrinterState.ENROLLED}


def enrolment_of(printer: Printer, provider: Organisation) -> Enrolment | None:
    """Give the statement that printer and provider sign, None before there is a key."""
    if printer.key_x is None or printer.key_y is None:
        return None
    return Enrolment(provider=address_of(provider), key_x=printer.key_x, key_y=printer.key_y)


@dataclass(frozen=True)
class Statements:
    """What a printer signs when it enrols: whose it is, which key to seal to, and whom it succeeds."""

    enrolment: Enrolment
    sealing: SealingKey
    succession: Succession | None


@dataclass(frozen=True)
class Asked:
    """How far an enrolment came: the row, what is to be signed, and what the device is to open."""

    printer: Printer
    statements: Statements
    challenge: ChallengeView | None = None


def enrol(services: Services, body: EnrolRequest) -> Asked:
    """Take a printer's keys.

    1. The code is one that a provider was given, unused or used by these very keys, and in time.
    2. The sealing key can be sealed to.
    3. Without signatures: say what to sign and what a device is to open, and change nothing.
    4. The signing key signed the enrolment: proof of possession.
    5. The signing key signed the sealing key, so that others can verify whose it is.
    6. Where keys rotate, the predecessor's signing key signed the succession, and it may be succeeded.
    7. The signing key is no other printer's. Keys and evidence are stored and wait for the provider.

    A repeat with the same keys gets the same answer, by the same device after the approval too; from then on
    all else is answered as an unknown code is. Raises NotFound, Conflict, Invalid or InvalidSignature.
    """
    public = from_base64(body.sealing_key.public, "sealing_key.public")
    with services.database.write() as session:
        # (1) the code
        printer = _by_code(session, services, Token(body.enrolment_code))
        with _used_up_once_approved(printer):
            return _taken(services, session, printer, body, public)


def _taken(
    services: Services, session: Session, printer: Printer, body: EnrolRequest, public: bytes
) -> Asked:
    """Take the keys for the row that the code is for: the rest of (1), and (2) to (7)."""
    domain, provider = services.ledger.domain, session.get_one(Organisation, printer.organisation_id)
    statements = _statements(body, address_of(provider), public, succession.predecessor_of(session, printer))
    _require_repeated(printer, statements, body)
    # (2) the sealing key
    validate_public(body.sealing_key.suite, public)
    # (3) the offer
    if body.signature is None and body.sealing_signature is None:
        session.expunge(printer)
        return Asked(printer, statements, evidence.challenge_for(services, printer, body.attestation))
    # (4), (5) the signatures
    possession = _signature(body.signature, "signature")
    _require_possession(domain, statements.enrolment, possession)
    vouching = _signature(body.sealing_signature, "sealing_signature")
    _require_vouched(domain, statements, vouching)
    # (6) the succession
    succeeding = succession.require_signed(session, domain, printer, statements.succession, body)
    # (7) the row
    _require_new_key(session, printer, statements.enrolment)
    if printer.state == PrinterState.AWAITING_KEY:
        _keep(printer, statements)
        printer.possession_signature, printer.sealing_signature = possession, vouching
        printer.succession_signature = succeeding
        printer.attestation = evidence.kept(services, printer, body.attestation)
        printer.state = PrinterState.AWAITING_APPROVAL
        session.add(printer)
    return Asked(printer, statements)


def _statements(body: EnrolRequest, provider: str, public: bytes, before: Printer | None) -> Statements:
    key_x, key_y = from_hex(body.signing_key.x), from_hex(body.signing_key.y)
    enrolment = Enrolment(provider=provider, key_x=key_x, key_y=key_y)
    sealing = sealing_statement(enrolment, body.sealing_key.suite, public)
    return Statements(enrolment, sealing, succession.statement_of(before, sealing.printer))


def _keep(printer: Printer, statements: Statements) -> None:
    enrolment, sealing = statements.enrolment, statements.sealing
    printer.key_x, printer.key_y = enrolment.key_x, enrolment.key_y
    printer.printer_hash = sealing.printer
    printer.sealing_suite, printer.sealing_public = sealing.suite, sealing.public


def _by_code(session: Session, services: Services, code: Token) -> Printer:
    query = select(Printer).where(Printer.code_sha256 == code.digest()).with_for_update()
    row = session.exec(query).first()
    expires_at = row.code_expires_at if row else None
    if (
        row is None
        or row.code_sha256 is None
        or not code.matches(row.code_sha256)
        or expires_at is None
        or expires_at <= services.clock.now()
    ):
        raise _unknown_code()
    return row


def _unknown_code() -> NotFound:
    return NotFound("enrolment code (unknown, used up or expired)", "as sent")


@contextmanager
def _used_up_once_approved(printer: Printer) -> Iterator[None]:
    """Answer what is refused of an approved printer's code as if there had never been such a code."""
    try:
        yield
    except (Conflict, Invalid, InvalidSignature) as error:
        if printer.state in _BEFORE_APPROVAL:
            raise
        raise _unknown_code() from error


def _require_repeated(printer: Printer, statements: Statements, body: EnrolRequest) -> None:
    """(1) a code that was used: by these keys; once approved, with the evidence of the same device too."""
    if printer.state == PrinterState.AWAITING_KEY:
        return
    sealing = statements.sealing
    kept = (printer.printer_hash, printer.sealing_suite, printer.sealing_public)
    same = kept == (sealing.printer, sealing.suite, sealing.public)
    if printer.state in _APPROVED:
        same = same and _is_of_same_device(printer, body)
    if not same or printer.state not in {PrinterState.AWAITING_APPROVAL, *_APPROVED}:
        raise Conflict(
            f"printer {printer.id} has its keys already and is {printer.state}",
            field="enrolment_code",
            remedy="ask the provider for a new printer and its code",
        )


def _is_of_same_device(printer: Printer, body: EnrolRequest) -> bool:
    """Evidence is of the device that gave it before; the first request of an exchange brings none yet."""
    first = body.signature is None and body.attestation is None
    return first or evidence.is_of_same_device(printer, body.attestation)


def _signature(text: str | None, field: str) -> bytes:
    if text is None:
        raise Invalid(
            f"{field} is missing: a printer signs two statements, enrolment and sealing",
            field=field,
            remedy="send both signatures, or neither to be told what to sign",
        )
    return from_hex(text)


def _require_possession(domain: Domain, enrolment: Enrolment, signature: bytes) -> None:
    """(4) the signing key's signature over the enrolment."""
    signed = digest(domain, enrolment)
    if not verify_printer_signature(signed, enrolment.key_x, enrolment.key_y, signature):
        raise InvalidSignature(
            "the signature is not by the signing key over this enrolment",
            field="signature",
            remedy="sign the enrolment's EIP-712 digest with the signing key, s in the lower half",
        )


def _require_vouched(domain: Domain, statements: Statements, signature: bytes) -> None:
    """(5) the signing key's signature over the sealing key."""
    enrolment, sealing = statements.enrolment, statements.sealing
    try:
        verify_sealing_key(
            domain,
            enrolment.provider,
            enrolment.key_x,
            enrolment.key_y,
            sealing.suite,
            sealing.public,
            signature,
        )
    except SignatureError as error:
        raise InvalidSignature(
            str(error),
            field="sealing_signature",
            remedy="sign the sealing key's EIP-712 digest with the signing key, s in the lower half",
        ) from error


def _require_new_key(session: Session, printer: Printer, statement: Enrolment) -> None:
    known = session.exec(select(Printer.id).where(Printer.printer_hash == statement.struct_hash())).first()
    if known is not None and known != printer.id:
        raise Invalid(
            "this signing key is enrolled already, for another printer",
            field="signing_key",
            remedy="make a key of its own for each device",
        )
