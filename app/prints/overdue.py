"""Abandoned prints: keys were released for them, and no outcome came in time.

That is told from the clock and stored nowhere, so an outcome that comes late is taken like any other.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func
from sqlmodel import Session, col, select

from app.models import Print
from app.prints.lifecycle import State


def due_at(row: Print, outcome_due_s: int) -> int | None:
    """Give when the outcome of a print is due, None where none is awaited."""
    if row.state != State.REDEEMED or row.outcome_operation is not None or row.redeemed_at is None:
        return None
    return row.redeemed_at + outcome_due_s


def is_overdue(row: Print, now: int, outcome_due_s: int) -> bool:
    """Tell whether the outcome of a print should have come by now."""
    due = due_at(row, outcome_due_s)
    return due is not None and due <= now


def overdue(now: int, outcome_due_s: int) -> ColumnElement[bool]:
    """Give what `is_overdue` says as a condition on rows of prints."""
    return and_(
        col(Print.state) == State.REDEEMED,
        col(Print.outcome_operation).is_(None),
        col(Print.redeemed_at) <= now - outcome_due_s,
    )


def count(session: Session, now: int, outcome_due_s: int) -> int:
    """Count the prints that are overdue."""
    return session.exec(select(func.count()).select_from(Print).where(overdue(now, outcome_due_s))).one()
