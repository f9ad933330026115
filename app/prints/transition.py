"""Applies an event of the life cycle to a print's row."""

from __future__ import annotations

from sqlmodel import Session

from app.models import Print
from app.prints.lifecycle import Event, State, after


def apply(session: Session, row: Print, event: Event) -> None:
    """Move the row; IllegalTransition where the event cannot happen in its state."""
    transition = after(State(row.state), event)
    row.state, row.holds_sequence = transition.target, transition.holds_sequence
    session.add(row)
