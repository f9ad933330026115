"""Which designs and revisions a caller sees: its own organisation's."""

from __future__ import annotations

from sqlmodel import Session, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal
from app.errors import NotFound
from app.models import Design, Revision


def designs(principal: Principal) -> SelectOfScalar[Design]:
    """The designs of the caller's organisation."""
    return select(Design).where(Design.organisation_id == principal.organisation_id)


def design(session: Session, principal: Principal, design_id: str) -> Design:
    """One design the caller sees; NotFound otherwise."""
    row = session.exec(designs(principal).where(Design.id == design_id)).first()
    if row is None:
        raise NotFound("design", design_id)
    return row


def revisions(principal: Principal) -> SelectOfScalar[Revision]:
    """The revisions of the caller's organisation."""
    return select(Revision).where(Revision.organisation_id == principal.organisation_id)


def revision(session: Session, principal: Principal, revision_id: str) -> Revision:
    """One revision the caller sees; NotFound otherwise."""
    row = session.exec(revisions(principal).where(Revision.id == revision_id)).first()
    if row is None:
        raise NotFound("revision", revision_id)
    return row
