"""What a plate was refused for: a reason, and the part it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from app import submission
from app.errors import Reason
from app.models import Print
from ledger import tables
from ledger.operations import RecordPlate
from ledger.outbox import OperationStatus, operation_in

ELSEWHERE = Reason(
    "plate_part", "another part of its plate was refused, and a plate is printed whole or not at all"
)


@dataclass(frozen=True)
class Fault:
    """Why a plate was refused: a reason against one of its parts, or against all where `part` is None."""

    reason: Reason
    part: int | None = None

    def note(self, prints: Sequence[Print]) -> None:
        """Write into each print of the plate what its parties may read.

        An owner reads why for parts of its own; of another owner's part only that it stopped the plate.
        """
        to_blame = None if self.part is None else prints[self.part].owner_id
        told = self.reason if self.part is None else of_part(self.part, self.reason)
        for row in prints:
            row.reasons = [(told if to_blame in (None, row.owner_id) else ELSEWHERE).to_json()]


def reasons_of(prints: Sequence[Print]) -> list[Reason]:
    """Give why a plate was refused, to its provider and printer: each reason once."""
    found = {reason["message"]: Reason(**reason) for row in prints for reason in row.reasons}
    return [reason for reason in found.values() if reason != ELSEWHERE]


def rejected(session: Session, status: OperationStatus) -> Fault:
    """Give the contract's reason against a rejected plate, with the part it is about."""
    body = select(tables.operations.c.body).where(tables.operations.c.operation_id == status.operation_id)
    operation = operation_in(session.connection().execute(body).scalar_one())
    arguments = (status.reason or {}).get("args", {})
    part = operation.part_at_fault(arguments) if isinstance(operation, RecordPlate) else None
    return Fault(submission.rejection(status), part)


def of_part(part: int, reason: Reason) -> Reason:
    """Give a reason as one against a part of a plate."""
    return Reason(reason.code, f"part {part}: {reason.message}", reason.source)
