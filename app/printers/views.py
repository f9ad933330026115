"""Rows of printers as the answers show them."""

from __future__ import annotations

from sqlmodel import Session

from app import submission
from app.auth.dpop import PublicKey
from app.auth.standing import open_quarantine
from app.clock import rfc3339
from app.encodings import maybe_hex, maybe_time, to_base64, to_hex
from app.models import Alarm, Organisation, Printer, Quarantine
from app.printers.enrolment import enrolment_of
from app.printers.schemas import (
    AlarmView,
    EnrolledMachine,
    EnrolledPrinter,
    PrinterView,
    QuarantineView,
    VouchedSealingKey,
)
from app.printers.service import settle
from app.printers.states import PrinterState
from ledger.typed_data import Domain, Enrolment, typed_data


def printer_view(session: Session, row: Printer, domain: Domain) -> PrinterView:
    """Show a printer as its provider sees it, in line with the outbox."""
    enrolled, retired = settle(session, row)
    held = open_quarantine(session, row.id)
    statement = enrolment_of(row, session.get_one(Organisation, row.organisation_id))
    return PrinterView(
        id=row.id,
        name=row.name,
        machine=row.machine,
        state=PrinterState.QUARANTINED if held and row.state == PrinterState.ENROLLED else row.state,
        enrolment=statement.to_json() if statement else None,
        enrolment_expires_at=maybe_time(row.code_expires_at),
        printer_hash=maybe_hex(row.printer_hash),
        key_thumbprint=PublicKey(statement.key_x, statement.key_y).thumbprint() if statement else None,
        sealing_suite=row.sealing_suite,
        typed_data=typed_data(domain, statement) if statement else None,
        receipt=submission.receipt(enrolled),
        retirement_receipt=submission.receipt(retired),
        quarantine=_quarantine(held) if held else None,
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


def _quarantine(held: Quarantine) -> QuarantineView:
    return QuarantineView(reason=held.reason, by_operator=held.by_operator, since=rfc3339(held.placed_at))


def enrolled_printer(row: Printer, provider: str) -> EnrolledPrinter:
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
    )
