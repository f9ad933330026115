"""Which shreddings a caller sees: its own organisation's; operators, those of all."""

from __future__ import annotations

from sqlmodel import Session, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal, Role
from app.errors import NotFound
from app.models import Shredding


def shreddings(principal: Principal) -> SelectOfScalar[Shredding]:
    """Owners and auditors see their organisation's, operators everybody's."""
    query = select(Shredding)
    if principal.has(Role.OPERATOR):
        return query
    return query.where(Shredding.organisation_id == principal.organisation_id)


def shredding(session: Session, principal: Principal, shredding_id: str) -> Shredding:
    """One that the caller sees; NotFound otherwise."""
    row = session.exec(shreddings(principal).where(Shredding.id == shredding_id)).first()
    if row is None:
        raise NotFound("shredding", shredding_id)
    return row
