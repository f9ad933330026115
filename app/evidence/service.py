"""Evidence files: what was signed about a caller's licences, with receipts, and the openings it may have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from app.auth.principals import Principal, Role
from app.clock import rfc3339
from app.errors import Unavailable
from app.models import Licence, Revision
from app.wiring import Services
from ledger import evidence, identity
from ledger.evidence import Opening


def build(
    services: Services, session: Session, principal: Principal, rows: Sequence[Licence]
) -> dict[str, Any]:
    """Give the evidence about these licences.

    Owner and provider get the openings of the manifests they license; an auditor's key gets commitments only,
    as a manifest tells the part's measures.
    """
    connection = session.connection()
    known = identity.load(connection)
    if known is None:
        raise Unavailable("the ledger has not been founded yet", remedy="try again in a moment")
    party = principal.has(Role.OWNER, Role.PROVIDER)
    return evidence.build(
        connection,
        known,
        generated_at=rfc3339(services.clock.now()),
        licences=[row.licence_hash for row in rows],
        openings=_openings(session, rows) if party else (),
    )


def _openings(session: Session, rows: Sequence[Licence]) -> list[Opening]:
    wanted = {row.revision_id for row in rows}
    query = select(Revision).where(col(Revision.id).in_(wanted)).order_by(col(Revision.id))
    return [
        Opening(row.commitment, row.salt, row.manifest)
        for row in session.exec(query).all()
        if row.commitment and row.salt and row.manifest
    ]
