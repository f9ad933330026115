"""What the chain has recorded of a print's outcome, as its events say it, whoever carried it there."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from ledger import tables
from ledger.typed_data import Result

_NAME = "OutcomeRecorded"


@dataclass(frozen=True)
class Recorded:
    """An outcome on chain; `credited` tells whether the licence got one print back for it."""

    result: Result
    credited: bool


def by_operation(session: Session, operation_id: str | None) -> Recorded | None:
    """Give the outcome that an operation of the outbox recorded, None while the index has no such event."""
    events = tables.events.c
    body = session.connection().execute(
        select(events.body).where(events.fact == operation_id, events.name == _NAME)
    )
    return _read(body.scalar())


def by_print(session: Session, licence_hash: bytes, sequence: int) -> Recorded | None:
    """Give the outcome of a print, also one that came to the chain past this service.

    It reads every outcome of the licence: for single questions, not for lists.
    """
    events = tables.events.c
    bodies = session.connection().execute(
        select(events.body).where(events.licence == licence_hash, events.name == _NAME)
    )
    mine = (body for body in bodies.scalars() if json.loads(body)["sequence"] == sequence)
    return _read(next(mine, None))


def _read(body: str | None) -> Recorded | None:
    if body is None:
        return None
    said = json.loads(body)
    return Recorded(Result(said["result"]), said["credited"])
