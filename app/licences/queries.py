"""Which licences a caller sees: those its organisation is a party of, by the role of its key."""

from __future__ import annotations

from sqlmodel import Session, col, false, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal, Role
from app.errors import NotFound
from app.licences.states import LicenceState
from app.models import Licence, Reissue


def licences(principal: Principal) -> SelectOfScalar[Licence]:
    """Owners see what they granted, providers what they were granted, auditors what their organisation is
    party of.
    """
    mine = principal.organisation_id
    owned = Licence.owner_id == mine if principal.has(Role.OWNER, Role.AUDITOR) else false()
    provided = Licence.provider_id == mine if principal.has(Role.PROVIDER, Role.AUDITOR) else false()
    return select(Licence).where(or_(owned, provided))


def licence(session: Session, principal: Principal, licence_id: str) -> Licence:
    """One licence the caller sees; NotFound otherwise."""
    row = session.exec(licences(principal).where(Licence.id == licence_id)).first()
    if row is None:
        raise NotFound("licence", licence_id)
    return row


def owned(session: Session, principal: Principal, licence_id: str) -> Licence:
    """One licence the caller granted; NotFound otherwise."""
    row = licence(session, principal, licence_id)
    if row.owner_id != principal.organisation_id:
        raise NotFound("licence", licence_id)
    return row


def held(session: Session, principal: Principal, licence_id: str) -> Licence:
    """One licence the caller was granted; NotFound otherwise."""
    row = licence(session, principal, licence_id)
    if row.provider_id != principal.organisation_id:
        raise NotFound("licence", licence_id)
    return row


def taken_from(licence_id: str) -> SelectOfScalar[Licence]:
    """The licences that prints of a licence became by transfer."""
    return select(Licence).where(Licence.transferred_from == licence_id)


def passed_on(session: Session, licence_id: str) -> int:
    """How many prints were transferred from a licence, or are on their way."""
    query = select(func.sum(Licence.prints)).where(Licence.transferred_from == licence_id)
    return session.exec(query.where(col(Licence.state) != LicenceState.REJECTED)).one() or 0


def replacement(session: Session, print_id: str) -> Licence | None:
    """Give the licence that was granted in place of a print, None where there is none."""
    query = select(Licence).join(Reissue).where(Reissue.print_id == print_id)
    return session.exec(query).first()


def replaced(session: Session, licence_id: str) -> str | None:
    """Give the print in whose place a licence was granted, None where it was granted for its own sake."""
    return session.exec(select(Reissue.print_id).where(Reissue.licence_id == licence_id)).first()
