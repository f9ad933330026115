"""Why the contract refused a plate, with the part that it refused."""

from __future__ import annotations

from sqlalchemy import select
from sqlmodel import Session

from app import submission
from app.errors import Reason
from ledger import tables
from ledger.operations import RecordPlate
from ledger.outbox import OperationStatus, operation_in


def refusal(session: Session, status: OperationStatus) -> Reason:
    """Give the contract's reason against a rejected plate, naming the part it is about."""
    told = submission.rejection(status)
    body = select(tables.operations.c.body).where(tables.operations.c.operation_id == status.operation_id)
    operation = operation_in(session.connection().execute(body).scalar_one())
    arguments = (status.reason or {}).get("args", {})
    part = operation.part_at_fault(arguments) if isinstance(operation, RecordPlate) else None
    return told if part is None else of_part(part, told)


def of_part(part: int, reason: Reason) -> Reason:
    """Give a reason as one against a part of a plate."""
    return Reason(reason.code, f"part {part}: {reason.message}", reason.source)
