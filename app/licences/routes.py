"""HTTP routes of licences."""

from fastapi import APIRouter, Response

from app import idempotency
from app.auth.principals import Principal
from app.dependencies import Cursor, IdempotencyKey, Limit, OwnerCaller, ReaderCaller, ServicesDep
from app.encodings import to_hex
from app.licences import queries, service
from app.licences.drafting import draft
from app.licences.schemas import LicencePrepared, LicenceRequest, LicenceView, RevokeRequest
from app.licences.views import licence_view
from app.models import Licence
from app.pages import Page, page
from app.wiring import Services
from ledger.typed_data import typed_data

router = APIRouter(prefix="/v1/licences", tags=["licences"])


def _shown(services: Services, caller: Principal, licence_id: str) -> LicenceView:
    with services.database.read() as session:
        return licence_view(session, services, queries.licence(session, caller, licence_id))


@router.post("/prepare")
def prepare(body: LicenceRequest, caller: OwnerCaller, services: ServicesDep) -> LicencePrepared:
    """Build the statement to sign; nothing is stored. Send `request` with a signature to grant it."""
    prepared = draft(services, caller, body)
    return LicencePrepared(
        request=prepared.request,
        licence=prepared.statement.to_json(),
        licence_hash=to_hex(prepared.statement.struct_hash()),
        typed_data=typed_data(services.ledger.domain, prepared.statement),
    )


@router.post("", status_code=201)
def grant(
    body: LicenceRequest, caller: OwnerCaller, services: ServicesDep, key: IdempotencyKey = None
) -> LicenceView:
    """Grant a licence, on chain; `pending` while the chain has not confirmed it."""
    request = idempotency.attempt(caller.organisation_id, key, "licences", body.model_dump(mode="json"))
    made = service.grant(services, request, caller, body)
    return _shown(services, caller, made.row_id)


@router.get("")
def list_licences(
    caller: ReaderCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[LicenceView]:
    """List the licences you are a party of."""
    with services.database.read() as session:
        query = queries.licences(caller)
        return page(
            session, query, Licence.id, lambda row: licence_view(session, services, row), limit, cursor
        )


@router.get("/{licence_id}")
def get_licence(licence_id: str, caller: ReaderCaller, services: ServicesDep) -> LicenceView:
    """Show a licence with the chain's counts."""
    return _shown(services, caller, licence_id)


@router.post("/{licence_id}/revoke", responses={202: {"model": LicenceView}})
def revoke(
    licence_id: str,
    response: Response,
    caller: OwnerCaller,
    services: ServicesDep,
    body: RevokeRequest | None = None,
) -> LicenceView:
    """Withdraw a licence, on chain; prints already recorded stand."""
    if not service.revoke(services, caller, licence_id, body.signature_bytes() if body else None):
        response.status_code = 202
    return _shown(services, caller, licence_id)
