"""The claim of a worker on a revision: for a while, renewed while it works, free again when it dies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, or_, select

from app.designs.states import RevisionState
from app.models import Revision
from app.wiring import Services

_log = structlog.get_logger("app.worker")


@dataclass(frozen=True)
class Claim:
    """One attempt at inspecting a revision, by one worker; attempts count from 1."""

    revision_id: str
    worker: str
    attempt: int


def claim_next(services: Services, worker: str) -> Claim | None:
    """Claim the oldest revision that waits for its inspection and that nobody holds."""
    now = services.clock.now()
    waiting = (
        select(Revision)
        .where(Revision.state == RevisionState.INSPECTING)
        .where(or_(col(Revision.lease_until).is_(None), col(Revision.lease_until) <= now))
        .order_by(col(Revision.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with services.database.read() as session:
        if session.exec(waiting).first() is None:
            return None
    with services.database.write() as session:
        row = session.exec(waiting).first()
        if row is None:
            return None
        row.lease_owner, row.lease_until = worker, now + services.settings.inspect_lease_s
        row.attempts += 1
        session.add(row)
        return Claim(row.id, worker, row.attempts)


def held(session: Session, claim: Claim) -> Revision | None:
    """Give the claimed row if the claim still stands."""
    row = session.get(Revision, claim.revision_id, with_for_update=True)
    mine = row is not None and (row.lease_owner, row.attempts) == (claim.worker, claim.attempt)
    return row if mine and row and row.state == RevisionState.INSPECTING else None


def give_back(services: Services, claim: Claim) -> None:
    """Let the revision wait for another attempt, which comes when the lease has run out; this one does not
    count.
    """
    with services.database.write() as session:
        row = held(session, claim)
        if row is not None:
            row.attempts -= 1
            row.lease_owner = None
            row.lease_until = services.clock.now() + services.settings.inspect_lease_s
            session.add(row)


@contextmanager
def renewing(services: Services, claim: Claim) -> Iterator[None]:
    """Renew the lease while the block runs."""
    done = threading.Event()
    period_s = services.settings.inspect_lease_s / 3

    def renew() -> None:
        while not done.wait(period_s):
            try:
                _renew(services, claim)
            except SQLAlchemyError as error:
                _log.warning("lease not renewed", revision=claim.revision_id, error=type(error).__name__)

    thread = threading.Thread(target=renew, name=f"lease-{claim.revision_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _renew(services: Services, claim: Claim) -> None:
    with services.database.write() as session:
        row = held(session, claim)
        if row is not None:
            row.lease_until = services.clock.now() + services.settings.inspect_lease_s
            session.add(row)
