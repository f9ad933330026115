"""Plates as the answers show them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session

from app.clock import rfc3339
from app.models import Plate, Print
from app.plates import release
from app.plates.schemas import PartView, PlateView, SpotView
from app.prints import outcome
from app.prints.lifecycle import State
from app.prints.schemas import ReasonView


def plate_view(session: Session, plate: Plate, prints: Sequence[Print]) -> PlateView:
    """Show a plate with those of its prints that its reader sees, in line with the outbox."""
    release.settle(session, prints)
    for row in prints:
        outcome.settle(session, row)
    return PlateView(
        id=plate.id,
        printer_id=plate.printer_id,
        provider_id=plate.provider_id,
        state=state_of(prints),
        parts=plate.parts,
        token_expires_at=rfc3339(prints[0].token_expires_at),
        prints=[_part(row) for row in prints],
        layout=[SpotView(**spot) for spot in plate.layout],
        created_at=rfc3339(plate.created_at),
    )


def state_of(prints: Sequence[Print]) -> str:
    """Say where a plate stands: its prints' state; `ended` once they ended in different ways."""
    states = {row.state for row in prints}
    if len(states) == 1:
        return str(next(iter(states)))
    if State.REDEEMED in states:
        return State.REDEEMED
    return "ended"


def _part(row: Print) -> PartView:
    return PartView(
        part=row.plate_part or 0,
        print_id=row.id,
        licence_id=row.licence_id,
        sequence=row.sequence,
        state=row.state,
        reasons=[ReasonView(**reason) for reason in row.reasons],
    )
