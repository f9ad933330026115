"""Which accounts a caller sees."""

from __future__ import annotations

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal, Role
from app.errors import NotFound
from app.models import ApiKey, Organisation


def organisations(principal: Principal) -> SelectOfScalar[Organisation]:
    """All of them for the operator; for anybody else its own."""
    query = select(Organisation)
    return (
        query if principal.has(Role.OPERATOR) else query.where(Organisation.id == principal.organisation_id)
    )


def organisation(session: Session, principal: Principal, organisation_id: str) -> Organisation:
    """One the caller sees; NotFound otherwise."""
    row = session.exec(organisations(principal).where(Organisation.id == organisation_id)).first()
    if row is None:
        raise NotFound("organisation", organisation_id)
    return row


def api_keys(principal: Principal) -> SelectOfScalar[ApiKey]:
    """The keys of the caller's organisation."""
    return select(ApiKey).where(ApiKey.organisation_id == principal.organisation_id)


def api_key(session: Session, principal: Principal, key_id: str) -> ApiKey:
    """One key of the caller's organisation; NotFound otherwise."""
    row = session.exec(api_keys(principal).where(ApiKey.id == key_id)).first()
    if row is None:
        raise NotFound("API key", key_id)
    return row


def parties() -> SelectOfScalar[Organisation]:
    """The directory every API client may read: organisations with an account, by name and address."""
    return select(Organisation).where(col(Organisation.address).is_not(None))


def party(session: Session, organisation_id: str) -> Organisation:
    """One organisation of the directory; NotFound otherwise."""
    row = session.exec(parties().where(Organisation.id == organisation_id)).first()
    if row is None:
        raise NotFound("organisation", organisation_id)
    return row
