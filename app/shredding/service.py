"""Requests, confirmations and withdrawals of shreddings: dual control, decided by the life cycle."""

from __future__ import annotations

import hmac

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from app import idempotency
from app.auth import api_keys
from app.auth.principals import Principal
from app.designs import queries as design_queries
from app.designs.living import require_living
from app.errors import AppError, Conflict, Forbidden, Invalid
from app.idempotency import Attempt, Made
from app.identifiers import new_id
from app.models import ApiKey, Shredding
from app.shredding import destruction, queries
from app.shredding.lifecycle import (
    OPEN,
    REQUEST_TTL_S,
    Asking,
    Event,
    Refusal,
    Standing,
    State,
    after,
    refusal,
)
from app.shredding.schemas import ShreddingRequest
from app.wiring import Services
from storage.errors import StorageError

_SHREDDING = "shr"
_REMEDY = "have it confirmed by the service's operator, or with a colleague's key that was there before"
_WRONG_KEY = {
    Refusal.SAME_KEY: "requested this shredding, so it cannot confirm it",
    Refusal.RELATED_KEY: (
        "and API key {row.requested_by}, which requested this shredding, were made one with the other, "
        "directly or through others, so it cannot confirm it"
    ),
    Refusal.NEW_KEY: "was not there yet when this shredding was requested, so it cannot confirm it",
}
_log = structlog.get_logger("app.shredding")


def standing_of(row: Shredding) -> Standing:
    """Give what decisions about the row depend on."""
    return Standing(State(row.state), row.requested_by, row.requested_at, row.expires_at)


def request(
    services: Services, attempt: Attempt, principal: Principal, design_id: str, body: ShreddingRequest
) -> Made:
    """Ask for a design's shredding; nothing is destroyed before another key confirms it.

    Raises NotFound, Invalid where the name is not the design's, Conflict where it is shredded or to be.
    """
    with services.database.write() as session:
        made = idempotency.recall(session, services, attempt)
        if made is not None:
            return made
        design = design_queries.design(session, principal, design_id)
        require_living(session, design.id)
        if body.design_name != design.name:
            raise Invalid(
                f"design_name is not the name of design {design.id}",
                field="design_name",
                remedy="type the name as the design shows it, letter for letter",
            )
        now = services.clock.now()
        _require_no_other(session, design.id, now)
        row = Shredding(
            id=new_id(_SHREDDING, services.entropy),
            design_id=design.id,
            organisation_id=design.organisation_id,
            reason=body.reason,
            state=State.REQUESTED,
            requested_by=principal.key_id,
            requested_at=now,
            expires_at=now + REQUEST_TTL_S,
        )
        session.add(row)
        return idempotency.keep(session, services, attempt, row.id)


def confirm(services: Services, principal: Principal, shredding_id: str) -> None:
    """Confirm a shredding: when this returns nothing of the design can be opened any more.

    1. The caller sees it. The key that confirmed it may repeat itself.
    2. It is requested, in time, and by another key that neither made this one nor was made by it; and this
       key was there before the request.
    3. One transaction destroys every key and writes the record.
    4. Objects and old pages go too; what cannot be done now the worker does later.

    Raises NotFound, Forbidden or Conflict; then nothing was destroyed.
    """
    with services.database.write() as session:
        # (1) the caller
        row = queries.shredding(session, principal, shredding_id)
        session.refresh(row, with_for_update=True)
        if not _repeats(row, principal):
            # (2) the decision
            now = services.clock.now()
            _require(session, row, Event.CONFIRM, principal, now)
            # (3) the keys
            row.confirmed_by = principal.key_id
            destruction.destroy_keys(session, row, now)
    # (4) the rest
    try:
        destruction.finish(services, shredding_id)
    except (AppError, StorageError, SQLAlchemyError) as error:
        _log.warning("shredding left to the worker", shredding=shredding_id, error=type(error).__name__)


def withdraw(services: Services, principal: Principal, shredding_id: str) -> None:
    """Take a request back; a repeat changes nothing. Raises NotFound and Conflict."""
    with services.database.write() as session:
        row = queries.shredding(session, principal, shredding_id)
        session.refresh(row, with_for_update=True)
        if row.state == State.WITHDRAWN:
            return
        now = services.clock.now()
        _require(session, row, Event.WITHDRAW, principal, now)
        row.state, row.withdrawn_by = after(State(row.state), Event.WITHDRAW), principal.key_id
        row.finished_at = now
        session.add(row)


def expire_due(session: Session, now: int) -> None:
    """Write down which requests nobody confirmed in time."""
    due = select(Shredding).where(Shredding.state == State.REQUESTED).where(col(Shredding.expires_at) <= now)
    for row in session.exec(due.with_for_update()).all():
        row.state, row.finished_at = after(State(row.state), Event.EXPIRE), row.expires_at
        session.add(row)
    session.flush()


def _require_no_other(session: Session, design_id: str, now: int) -> None:
    expire_due(session, now)
    query = select(Shredding).where(Shredding.design_id == design_id).where(col(Shredding.state).in_(OPEN))
    other = session.exec(query).first()
    if other is not None:
        raise Conflict(
            f"shredding {other.id} of design {design_id} is {other.state} already",
            remedy="have another key confirm that one, or withdraw it",
        )


def _repeats(row: Shredding, principal: Principal) -> bool:
    confirmed = row.state in {State.CONFIRMED, State.SHREDDED}
    return confirmed and hmac.compare_digest((row.confirmed_by or "").encode(), principal.key_id.encode())


def _require(session: Session, row: Shredding, event: Event, principal: Principal, now: int) -> None:
    """Let the life cycle decide; Forbidden where the key is the wrong one, Conflict where the state is."""
    standing = standing_of(row)
    against = refusal(standing, event, _asking(session, row, principal), now)
    if against is Refusal.STATE:
        raise Conflict(
            f"shredding {row.id} is {standing.at(now)}, not requested",
            remedy="read it; ask for a new one if the design still is to be shredded",
        )
    if against is not None:
        raise Forbidden(f"API key {principal.key_id} {_WRONG_KEY[against].format(row=row)}", remedy=_REMEDY)


def _asking(session: Session, row: Shredding, principal: Principal) -> Asking:
    key = session.get_one(ApiKey, principal.key_id)
    made_by, made_requester = api_keys.makers(session, key.id), api_keys.makers(session, row.requested_by)
    return Asking(key.id, key.created_at, related=row.requested_by in made_by or key.id in made_requester)
