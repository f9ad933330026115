"""Is a design still alive? Of one whose keys were shredded nothing new is made."""

from __future__ import annotations

from sqlmodel import Session

from app.errors import Conflict
from app.models import Design


def require_living(session: Session, design_id: str) -> Design:
    """Hold the design until the transaction ends, so that nobody shreds it meanwhile; Conflict if it was."""
    row = session.get_one(Design, design_id, with_for_update=True)
    if row.shredded_at is not None:
        raise Conflict(
            f"design {design_id} was shredded: its keys are destroyed and nothing new is made of it",
            remedy="make a new design",
        )
    return row
