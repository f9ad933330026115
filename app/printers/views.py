"""Rows of printers as the answers show them."""

from __future__ import annotations

from sqlmodel import Session

from app import submission
from app.accounts.signing import MANAGED, address_of
from app.auth.dpop import PublicKey
from app.auth.standing import open_quarantine
from app.clock import rfc3339
from app.encodings import maybe_hex, maybe_time, to_base64, to_hex
from app.models import Alarm, Organisation, Printer, Quarantine
from app.printers import evidence, succession
from app.printers.busy import live_tokens
from app.printers.enrolment import enrolment_of
from app.printers.schemas import (
    AlarmView,
    EnrolledMachine,
    EnrolledPrinter,
    PrinterView,
    QuarantineView,
    RetirementView,
    StandingView,
    VouchedSealingKey,
)
from app.printers.service import settle
from app.printers.states import PrinterState
from app.wiring import Services
from ledger.typed_data import Enrolment, Retirement, typed_data


def shown_state(row: Printer, *, held: bool) -> str:
    """Give the state a printer is shown in: an enrolled one may be in quarantine or superseded."""
    if row.state != PrinterState.ENROLLED:
        return row.state
    if held:
        return PrinterState.QUARANTINED
    return PrinterState.ENROLLED if row.successor_id is None else PrinterState.SUPERSEDED


def printer_view(services: Services, session: Session, row: Printer) -> PrinterView:
    """Show a printer as its provider sees it, in line with the outbox."""
    enrolled, retired = settle(session, row)
    held, provider = open_quarantine(session, row.id), session.get_one(Organisation, row.organisation_id)
    statement, domain = enrolment_of(row, provider), services.ledger.domain
    return PrinterView(
        id=row.id,
        name=row.name,
        machine=row.machine,
        state=shown_state(row, held=held is not None),
        enrolment=statement.to_json() if statement else None,
        enrolment_expires_at=maybe_time(row.code_expires_at),
        printer_hash=maybe_hex(row.printer_hash),
        key_thumbprint=PublicKey(statement.key_x, statement.key_y).thumbprint() if statement else None,
        sealing_suite=row.sealing_suite,
        typed_data=typed_data(domain, statement) if statement else None,
        receipt=submission.receipt(enrolled),
        retirement_receipt=submission.receipt(retired),
        retirement=_retirement(services, session, row, provider),
        quarantine=_quarantine(held) if held else None,
        predecessor_id=row.predecessor_id,
        successor_id=row.successor_id,
        attestation=evidence.shown(services, row, address_of(provider)),
        created_at=rfc3339(row.created_at),
    )


def alarm_view(row: Alarm) -> AlarmView:
    """Show an alarm to the operator and the printer's provider."""
    return AlarmView(
        id=row.id,
        printer_id=row.printer_id,
        kind=row.kind,
        count=row.count,
        detail=row.detail,
        first_at=rfc3339(row.first_at),
        last_at=rfc3339(row.last_at),
    )


def _retirement(
    services: Services, session: Session, row: Printer, provider: Organisation
) -> RetirementView | None:
    """Prepare what retires a printer that is on the ledger, and say whether that is due."""
    if row.state != PrinterState.ENROLLED or row.printer_hash is None:
        return None
    statement = Retirement(printer=row.printer_hash)
    return RetirementView(
        statement=statement.to_json(),
        typed_data=typed_data(services.ledger.domain, statement),
        due=succession.is_drained(session, row),
        by_service=provider.account_type == MANAGED,
    )


def _quarantine(held: Quarantine) -> QuarantineView:
    return QuarantineView(reason=held.reason, by_operator=held.by_operator, since=rfc3339(held.placed_at))


def standing_view(services: Services, session: Session, row: Printer) -> StandingView:
    """Show a printer to itself: its state, and which live tokens are its own."""
    settle(session, row)
    since = services.clock.now() - services.settings.redeem_retry_s
    return StandingView(
        id=row.id,
        state=shown_state(row, held=open_quarantine(session, row.id) is not None),
        predecessor_id=row.predecessor_id,
        successor_id=row.successor_id,
        tokens=[digest.hex() for digest in live_tokens(session, row.id, since)],
    )


def enrolled_printer(services: Services, row: Printer, provider: str) -> EnrolledPrinter:
    """Show an enrolled printer as others see it; `provider` is its provider's address."""
    enrolment = Enrolment(provider=provider, key_x=row.key_x or b"", key_y=row.key_y or b"")
    return EnrolledPrinter(
        id=row.id,
        printer_hash=to_hex(row.printer_hash or b""),
        enrolment=enrolment.to_json(),
        sealing=VouchedSealingKey(
            suite=row.sealing_suite or "",
            public=to_base64(row.sealing_public or b""),
            signature=to_hex(row.sealing_signature or b""),
        ),
        machine=EnrolledMachine(**{name: row.machine[name] for name in EnrolledMachine.model_fields}),
        attestation=evidence.shown(services, row, provider),
    )
