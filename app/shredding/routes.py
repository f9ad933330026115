"""HTTP routes of shreddings."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlmodel import Session

from app import idempotency
from app.auth.principals import Principal, Role
from app.clock import rfc3339
from app.dependencies import Cursor, Limit, OwnerCaller, RequiredIdempotencyKey, RequireRole, ServicesDep
from app.encodings import maybe_time
from app.models import Shredding
from app.pages import Page, page
from app.preconditions import IfMatch
from app.shredding import queries, service
from app.shredding.lifecycle import State
from app.shredding.schemas import ShreddingRequest, ShreddingView
from app.wiring import Services

router = APIRouter(prefix="/v1", tags=["shreddings"])
ConfirmingCaller = Annotated[Principal, Depends(RequireRole(Role.OWNER, Role.OPERATOR))]
WatchingCaller = Annotated[Principal, Depends(RequireRole(Role.OWNER, Role.AUDITOR, Role.OPERATOR))]


def _view(services: Services, caller: Principal, row: Shredding) -> ShreddingView:
    mine = row.organisation_id == caller.organisation_id
    return ShreddingView(
        id=row.id,
        design_id=row.design_id,
        organisation_id=row.organisation_id,
        reason=row.reason,
        state=service.standing_of(row).at(services.clock.now()),
        requested_by=row.requested_by,
        requested_at=rfc3339(row.requested_at),
        expires_at=rfc3339(row.expires_at),
        confirmed_by=row.confirmed_by,
        confirmed_at=maybe_time(row.confirmed_at),
        withdrawn_by=row.withdrawn_by,
        finished_at=maybe_time(row.finished_at),
        record=row.record if mine else None,
    )


def _show(services: Services, caller: Principal, shredding_id: str) -> Callable[[Session], ShreddingView]:
    return lambda session: _view(services, caller, queries.shredding(session, caller, shredding_id))


def _shown(services: Services, caller: Principal, shredding_id: str) -> ShreddingView:
    with services.database.read() as session:
        return _show(services, caller, shredding_id)(session)


@router.post("/designs/{design_id}/shreddings", status_code=201)
def request_shredding(
    design_id: str,
    body: ShreddingRequest,
    caller: OwnerCaller,
    services: ServicesDep,
    key: RequiredIdempotencyKey,
) -> ShreddingView:
    """Ask for a part's keys and files to be destroyed for ever; another API key must confirm it."""
    content = {"design": design_id, "body": body.model_dump(mode="json")}
    attempt = idempotency.attempt(caller.organisation_id, key, "shreddings", content)
    made = service.request(services, attempt, caller, design_id, body)
    return _shown(services, caller, made.row_id)


@router.get("/shreddings")
def list_shreddings(
    caller: WatchingCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ShreddingView]:
    """List your organisation's shreddings; for operators, those of all."""
    with services.database.read() as session:
        query = queries.shreddings(caller)
        return page(session, query, Shredding.id, lambda row: _view(services, caller, row), limit, cursor)


@router.get("/shreddings/{shredding_id}")
def get_shredding(shredding_id: str, caller: WatchingCaller, services: ServicesDep) -> ShreddingView:
    """Show a shredding, with the record of what was destroyed."""
    return _shown(services, caller, shredding_id)


@router.post("/shreddings/{shredding_id}/confirm", responses={202: {"model": ShreddingView}})
def confirm_shredding(
    shredding_id: str,
    response: Response,
    caller: ConfirmingCaller,
    services: ServicesDep,
    match: IfMatch,
) -> ShreddingView:
    """Confirm a shredding with another key than asked for it: the keys are destroyed at once, for ever.

    202 while files are still to be deleted, which the service goes on with by itself.
    """
    with match.holding(services.database, _show(services, caller, shredding_id)):
        service.confirm(services, caller, shredding_id)
    view = _shown(services, caller, shredding_id)
    if view.state != State.SHREDDED:
        response.status_code = 202
    return view


@router.post("/shreddings/{shredding_id}/withdraw")
def withdraw_shredding(
    shredding_id: str, caller: OwnerCaller, services: ServicesDep, match: IfMatch
) -> ShreddingView:
    """Take back a request that nobody has confirmed."""
    with match.holding(services.database, _show(services, caller, shredding_id)):
        service.withdraw(services, caller, shredding_id)
    return _shown(services, caller, shredding_id)
