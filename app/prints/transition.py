"""Applies an event of the life cycle to prints' rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, SQLModel

from app.models import Print
from app.prints.lifecycle import Event, State, after
from ledger.prepared import Prepared

_TABLE = SQLModel.metadata.tables[str(Print.__tablename__)]


def apply(session: Session, row: Print, event: Event) -> None:
    """Move the row; IllegalTransition where the event cannot happen in its state."""
    transition = after(State(row.state), event)
    row.state, row.holds_sequence = transition.target, transition.holds_sequence
    session.add(row)


def move(row: Print, event: Event, **changes: Any) -> dict[str, Any]:
    """Move a row that `store` will write, many with one statement; IllegalTransition as of `apply`.

    `changes` are further columns. Gives what is to be stored.
    """
    moved = moved_from(row.id, row.state, event, **changes)
    for name, value in moved.items():
        if name != "moved":
            set_committed_value(row, name, value)
    return moved


def moved_from(print_id: str, state: str, event: Event, **changes: Any) -> dict[str, Any]:
    """Do what `move` does where only the row's id and state were read."""
    transition = after(State(state), event)
    moved = {"state": transition.target, "holds_sequence": transition.holds_sequence}
    return {"moved": print_id, **moved, **changes}


def store(session: Session, moved: Sequence[dict[str, Any]]) -> None:
    """Write rows that were moved, in their transaction; all of them by the same event."""
    if moved:
        names = tuple(name for name in moved[0] if name != "moved")
        _update(names).run(session.connection(), moved)


@cache
def _update(names: tuple[str, ...]) -> Prepared:
    chosen = update(_TABLE).where(_TABLE.c.id == bindparam("moved"))
    return Prepared(chosen.values({name: bindparam(name) for name in names}))
