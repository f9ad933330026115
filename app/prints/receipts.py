"""Receipts of prints: a print of a plate has its own event, which stands before the plate's."""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import Session

from app import submission
from app.encodings import Receipt
from app.models import Plate, Print
from ledger.outbox import OperationStatus


def of_print(session: Session, row: Print) -> Receipt | None:
    """Give a print's own receipt, be it of a plate or not; None before there is one."""
    if row.record_operation is None:
        return None
    status = submission.status_of(session, row.record_operation)
    if row.plate_id is not None and row.plate_part is not None:
        status = of_part(status, session.get_one(Plate, row.plate_id).parts, row.plate_part)
    return submission.receipt(status)


def of_part(status: OperationStatus, parts: int, part: int) -> OperationStatus:
    """Give the status of a plate of so many prints as that of one of them."""
    if status.log_index is None:
        return status
    return replace(status, log_index=status.log_index - parts + part)
