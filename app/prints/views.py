"""Rows of prints as the answers show them."""

from __future__ import annotations

import json

from sqlmodel import Session, select

from app import submission
from app.clock import rfc3339
from app.encodings import maybe_hex, maybe_time, to_hex
from app.licences import queries as licence_queries
from app.models import Licence, Print, Printer, Release
from app.prints import outcome, overdue, receipts, recorded, redemption
from app.prints.schemas import PrintView, ReasonView
from app.wiring import Services


def print_view(session: Session, services: Services, row: Print) -> PrintView:
    """Show a print as its parties see it, in line with the outbox."""
    redemption.settle(session, row)
    reported = outcome.settle(session, row)
    on_chain = recorded.by_operation(session, row.outcome_operation)
    settings, now = services.settings, services.clock.now()
    replacement = licence_queries.replacement(session, row.id)
    release_id = session.exec(select(Release.id).where(Release.print_id == row.id)).first()
    return PrintView(
        id=row.id,
        licence_id=row.licence_id,
        printer_id=row.printer_id,
        owner_id=row.owner_id,
        provider_id=row.provider_id,
        state=row.state,
        sequence=row.sequence,
        licence_hash=to_hex(session.get_one(Licence, row.licence_id).licence_hash),
        printer_hash=maybe_hex(session.get_one(Printer, row.printer_id).printer_hash),
        token_expires_at=rfc3339(row.token_expires_at),
        redeemed_at=maybe_time(row.redeemed_at),
        release_id=release_id,
        reasons=[ReasonView(**reason) for reason in row.reasons],
        outcome_due_at=maybe_time(overdue.due_at(row, settings.outcome_due_s)),
        overdue=overdue.is_overdue(row, now, settings.outcome_due_s),
        outcome=row.outcome,
        report=json.loads(row.report) if row.report else None,
        credited=on_chain.credited if on_chain else None,
        replaced_by=replacement.id if replacement else None,
        plate_id=row.plate_id,
        receipt=receipts.of_print(session, row),
        outcome_receipt=submission.receipt(reported),
        created_at=rfc3339(row.created_at),
    )
