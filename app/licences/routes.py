"""HTTP routes of licences."""

import json
from collections.abc import Callable
from functools import cache, partial

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlmodel import Session

from app import idempotency
from app.auth.principals import Principal
from app.dependencies import (
    Cursor,
    IdempotencyKey,
    Limit,
    OwnerCaller,
    ProviderCaller,
    ReaderCaller,
    RequiredIdempotencyKey,
    ServicesDep,
)
from app.encodings import to_hex
from app.licences import queries, service, transfers
from app.licences.drafting import draft
from app.licences.odrl import agreement
from app.licences.schemas import (
    ConsentRequest,
    LicencePrepared,
    LicenceRequest,
    LicenceView,
    RevokeRequest,
    TransferPrepared,
    TransferRequest,
    TransferView,
)
from app.licences.views import counts_of, licence_view, transfer_view
from app.models import Licence
from app.pages import Page, page
from app.preconditions import IfMatch
from app.wiring import Services
from ledger.typed_data import typed_data

router = APIRouter(prefix="/v1/licences", tags=["licences"])


class OdrlResponse(JSONResponse):
    """A JSON-LD document (RFC 6839)."""

    media_type = "application/ld+json"


def _show(services: Services, caller: Principal, licence_id: str) -> Callable[[Session], LicenceView]:
    counts = cache(partial(counts_of, services))  # asked once, before any transaction that changes rows

    def show(session: Session) -> LicenceView:
        row = queries.licence(session, caller, licence_id)
        return licence_view(session, row, counts(row.licence_hash))

    return show


def _shown(services: Services, caller: Principal, licence_id: str) -> LicenceView:
    with services.database.read() as session:
        return _show(services, caller, licence_id)(session)


def _listed(services: Services, session: Session, row: Licence) -> LicenceView:
    return licence_view(session, row, counts_of(services, row.licence_hash))


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
        show = partial(_listed, services, session)
        return page(session, query, Licence.id, show, limit, cursor)


@router.get("/{licence_id}")
def get_licence(licence_id: str, caller: ReaderCaller, services: ServicesDep) -> LicenceView:
    """Show a licence with the chain's counts."""
    return _shown(services, caller, licence_id)


@router.get("/{licence_id}/odrl", response_class=OdrlResponse)
def get_agreement(licence_id: str, caller: ReaderCaller, services: ServicesDep) -> OdrlResponse:
    """Show what was signed as an ODRL 2.2 Agreement; the licence itself tells whether it is in force."""
    with services.database.read() as session:
        row = queries.licence(session, caller, licence_id)
        return OdrlResponse(agreement(service.statement_of(row), row.printers, json.loads(row.terms)))


@router.post("/{licence_id}/revoke", responses={202: {"model": LicenceView}})
def revoke(
    licence_id: str,
    response: Response,
    caller: OwnerCaller,
    services: ServicesDep,
    match: IfMatch,
    body: RevokeRequest | None = None,
) -> LicenceView:
    """Withdraw a licence, on chain; prints already recorded stand."""
    with match.holding(services.database, _show(services, caller, licence_id)):
        done = service.revoke(services, caller, licence_id, body.signature_bytes() if body else None)
    if not done:
        response.status_code = 202
    return _shown(services, caller, licence_id)


@router.post("/{licence_id}/transfer-consent")
def consent(
    licence_id: str,
    caller: OwnerCaller,
    services: ServicesDep,
    match: IfMatch,
    body: ConsentRequest | None = None,
) -> LicenceView:
    """Consent to its provider's passing unused prints on, where the terms say `transferable: true`.

    It cannot be taken back; to end further transfers, revoke the licence.
    """
    with match.holding(services.database, _show(services, caller, licence_id)):
        transfers.consent(services, caller, licence_id, body.signature_bytes() if body else None)
    return _shown(services, caller, licence_id)


@router.post("/{licence_id}/transfers/prepare")
def prepare_transfer(
    licence_id: str, body: TransferRequest, caller: ProviderCaller, services: ServicesDep
) -> TransferPrepared:
    """Build the transfer to sign; nothing is stored. Send `request` with a signature to make it."""
    proposal = transfers.propose(services, caller, licence_id, body)
    statement = proposal.statement
    return TransferPrepared(
        request=body.model_dump(mode="json", exclude={"signature"}) | {"salt": to_hex(statement.salt)},
        transfer=statement.to_json(),
        licence=proposal.made.to_json(),
        licence_hash=to_hex(proposal.made.struct_hash()),
        typed_data=typed_data(services.ledger.domain, statement),
    )


@router.post("/{licence_id}/transfers", status_code=201, responses={202: {"model": TransferView}})
def transfer(
    licence_id: str,
    body: TransferRequest,
    response: Response,
    caller: ProviderCaller,
    services: ServicesDep,
    key: RequiredIdempotencyKey,
) -> TransferView:
    """Pass unused prints on to another provider, as a licence of its own; 202 while the chain has not
    confirmed it.
    """
    content = {"licence": licence_id, "body": body.model_dump(mode="json")}
    request = idempotency.attempt(caller.organisation_id, key, "transfers", content)
    made = transfers.transfer(services, request, caller, licence_id, body)
    with services.database.read() as session:
        view = transfer_view(session, session.get_one(Licence, made.row_id))
    if view.state == "pending":
        response.status_code = 202
    return view


@router.get("/{licence_id}/transfers")
def list_transfers(
    licence_id: str, caller: ReaderCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[TransferView]:
    """List the transfers that took prints from a licence."""
    with services.database.read() as session:
        row = queries.licence(session, caller, licence_id)
        query = queries.taken_from(row.id)
        return page(session, query, Licence.id, lambda made: transfer_view(session, made), limit, cursor)
