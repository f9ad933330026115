"""HTTP routes of accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlmodel import col, select

from app import idempotency
from app.accounts import queries, service
from app.accounts.schemas import (
    AccountView,
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyView,
    Me,
    NewKey,
    OrganisationCreate,
    OrganisationCreated,
    OrganisationView,
    Party,
)
from app.auth.principals import Principal, Role
from app.clock import rfc3339
from app.dependencies import (
    AnyCaller,
    Cursor,
    IdempotencyKey,
    Limit,
    OperatorCaller,
    RequireRole,
    ServicesDep,
)
from app.encodings import maybe_time
from app.models import ApiKey, Organisation
from app.pages import Page, page
from app.preconditions import IfMatch
from app.tokens import Token

router = APIRouter(prefix="/v1", tags=["accounts"])
KeyMaker = Annotated[Principal, Depends(RequireRole(Role.OWNER, Role.PROVIDER, Role.OPERATOR))]


def _organisation(row: Organisation) -> OrganisationView:
    account = AccountView(type=row.account_type or "", address=row.address) if row.address else None
    return OrganisationView(
        id=row.id, name=row.name, roles=row.roles, account=account, created_at=rfc3339(row.created_at)
    )


def _api_key(row: ApiKey) -> ApiKeyView:
    return ApiKeyView(
        id=row.id,
        name=row.name,
        roles=row.roles,
        created_at=rfc3339(row.created_at),
        created_by=row.created_by,
        revoked_at=maybe_time(row.revoked_at),
    )


def _party(row: Organisation) -> Party:
    return Party(id=row.id, name=row.name, roles=row.roles, address=row.address)


def _shown(token: Token | None) -> str:
    return token.reveal() if token else ""


@router.post("/organisations", status_code=201)
def create_organisation(
    body: OrganisationCreate, caller: OperatorCaller, services: ServicesDep, key: IdempotencyKey = None
) -> OrganisationCreated:
    """Add a party; the answer shows its first API key, this once."""
    request = idempotency.attempt(caller.organisation_id, key, "organisations", body.model_dump(mode="json"))
    made = service.create_organisation(services, request, body)
    with services.database.read() as session:
        view = _organisation(queries.organisation(session, caller, made.row_id))
        first = service.first_key(session, made.row_id)
    api_key = NewKey(id=first.id, key=_shown(made.secret), roles=first.roles)
    return OrganisationCreated(**view.model_dump(), api_key=api_key)


@router.get("/organisations")
def list_organisations(
    caller: OperatorCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[OrganisationView]:
    """List the parties."""
    with services.database.read() as session:
        query = queries.organisations(caller)
        return page(session, query, Organisation.id, _organisation, limit, cursor)


@router.get("/organisations/{organisation_id}")
def get_organisation(organisation_id: str, caller: OperatorCaller, services: ServicesDep) -> OrganisationView:
    """Show one party."""
    with services.database.read() as session:
        return _organisation(queries.organisation(session, caller, organisation_id))


@router.post("/api-keys", status_code=201)
def create_api_key(
    body: ApiKeyCreate, caller: KeyMaker, services: ServicesDep, key: IdempotencyKey = None
) -> ApiKeyCreated:
    """Add a key to your organisation; the answer shows it this once."""
    request = idempotency.attempt(caller.organisation_id, key, "api-keys", body.model_dump(mode="json"))
    made = service.create_api_key(services, request, caller, body.name, body.roles)
    with services.database.read() as session:
        view = _api_key(queries.api_key(session, caller, made.row_id))
    return ApiKeyCreated(**view.model_dump(), key=_shown(made.secret))


@router.get("/api-keys")
def list_api_keys(
    caller: KeyMaker, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ApiKeyView]:
    """List your organisation's keys."""
    with services.database.read() as session:
        return page(session, queries.api_keys(caller), ApiKey.id, _api_key, limit, cursor)


@router.get("/api-keys/{key_id}")
def get_api_key(key_id: str, caller: KeyMaker, services: ServicesDep) -> ApiKeyView:
    """Show one key of your organisation."""
    with services.database.read() as session:
        return _api_key(queries.api_key(session, caller, key_id))


@router.delete("/api-keys/{key_id}", status_code=204)
def revoke_api_key(key_id: str, caller: KeyMaker, services: ServicesDep, match: IfMatch) -> None:
    """Revoke a key of your organisation, from now on and for good."""
    with (
        match.holding(services.database, lambda session: _api_key(queries.api_key(session, caller, key_id))),
        services.database.write() as session,
    ):
        row = queries.api_key(session, caller, key_id)
        row.revoked_at = row.revoked_at or services.clock.now()
        session.add(row)


@router.get("/me")
def me(caller: AnyCaller, services: ServicesDep) -> Me:
    """Show whom your API key belongs to."""
    with services.database.read() as session:
        row = session.exec(select(Organisation).where(col(Organisation.id) == caller.organisation_id)).one()
        view = _organisation(row).model_dump() | {"roles": sorted(caller.roles)}
    return Me(**view, key_id=caller.key_id, organisation_roles=row.roles)


@router.get("/parties")
def list_parties(
    _caller: AnyCaller,
    services: ServicesDep,
    name: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Party]:
    """Look parties up, by exact name where `name` is given."""
    query = queries.parties()
    if name is not None:
        query = query.where(Organisation.name == name)
    with services.database.read() as session:
        return page(session, query, Organisation.id, _party, limit, cursor)


@router.get("/parties/{organisation_id}")
def get_party(organisation_id: str, _caller: AnyCaller, services: ServicesDep) -> Party:
    """Show one party of the directory."""
    with services.database.read() as session:
        return _party(queries.party(session, organisation_id))
