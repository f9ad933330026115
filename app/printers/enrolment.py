"""A printer enrols itself: a one-time code from its provider, its keys, and a proof that it holds them."""

from __future__ import annotations

from sqlmodel import Session, select

from app.accounts.signing import address_of
from app.encodings import from_base64, from_hex
from app.errors import Conflict, Invalid, InvalidSignature, NotFound
from app.models import Organisation, Printer
from app.printers.binding import bind
from app.printers.schemas import EnrolRequest
from app.printers.states import PrinterState
from app.tokens import Token
from app.wiring import Services
from ledger.typed_data import Enrolment, digest, verify_printer_signature
from storage.recipients import validate_public


def enrolment_of(printer: Printer, provider: Organisation) -> Enrolment | None:
    """Give the statement that printer and provider sign, None before there is a key."""
    if printer.key_x is None or printer.key_y is None:
        return None
    return Enrolment(provider=address_of(provider), key_x=printer.key_x, key_y=printer.key_y)


def enrol(services: Services, body: EnrolRequest) -> tuple[Printer, Enrolment]:
    """Take a printer's keys.

    1. The code is one that a provider was given, unused or used by these very keys, and in time.
    2. The sealing key can be sealed to; the signing key is on the curve.
    3. Without a signature: say what to sign, and change nothing.
    4. With one: it is the signing key's over the enrolment; the keys are stored and wait for the provider.

    A repeat with the same keys gets the same answer. Raises NotFound, Conflict, Invalid or InvalidSignature.
    """
    key_x, key_y = from_hex(body.signing_key.x), from_hex(body.signing_key.y)
    sealing = from_base64(body.sealing_key.public, "sealing_key.public")
    with services.database.write() as session:
        # (1) the code
        printer = _by_code(session, services, Token(body.enrolment_code))
        provider = session.get_one(Organisation, printer.organisation_id)
        statement = Enrolment(provider=address_of(provider), key_x=key_x, key_y=key_y)
        _require_same_keys(printer, statement, sealing)
        # (2) the keys
        validate_public(body.sealing_key.suite, sealing)
        # (3) the offer
        if body.signature is None:
            session.expunge(printer)
            return printer, statement
        # (4) the proof of possession
        signature = from_hex(body.signature)
        if not verify_printer_signature(digest(services.ledger.domain, statement), key_x, key_y, signature):
            raise InvalidSignature(
                "the signature is not by the signing key over this enrolment",
                field="signature",
                remedy="sign the enrolment's EIP-712 digest with the signing key, s in the lower half",
            )
        _require_new_key(session, printer, statement)
        if printer.state == PrinterState.AWAITING_KEY:
            printer.key_x, printer.key_y = key_x, key_y
            printer.sealing_suite, printer.sealing_public = body.sealing_key.suite, sealing
            printer.possession_signature = signature
            printer.printer_hash = statement.struct_hash()
            printer.key_binding = bind(services.keys, printer)
            printer.state = PrinterState.AWAITING_APPROVAL
            session.add(printer)
        return printer, statement


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
        raise NotFound("enrolment code (unknown, used up or expired)", "as sent")
    return row


def _require_same_keys(printer: Printer, statement: Enrolment, sealing: bytes) -> None:
    if printer.state == PrinterState.AWAITING_KEY:
        return
    same = (printer.key_x, printer.key_y, printer.sealing_public) == (
        statement.key_x,
        statement.key_y,
        sealing,
    )
    if not same or printer.state != PrinterState.AWAITING_APPROVAL:
        raise Conflict(
            f"printer {printer.id} has its keys already and is {printer.state}",
            field="enrolment_code",
            remedy="ask the provider for a new printer and its code",
        )


def _require_new_key(session: Session, printer: Printer, statement: Enrolment) -> None:
    known = session.exec(select(Printer.id).where(Printer.printer_hash == statement.struct_hash())).first()
    if known is not None and known != printer.id:
        raise Invalid(
            "this signing key is enrolled already, for another printer",
            field="signing_key",
            remedy="make a key of its own for each device",
        )
