"""What stands on the paper of a certificate: what is proven, and the words the service knows it by."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from app import submission
from app.auth.principals import Principal, Role
from app.designs.stored import thumbnail_of
from app.models import Design, Licence, Organisation, Print, Printer, Revision
from app.wiring import Services
from ledger.certificate import Certified
from ledger.typed_data import Domain


@dataclass(frozen=True)
class Paper:
    """A certificate's page.

    says: what signatures and chain prove; the names are the service's words for it
    picture: PNG of the part, for its owner and its provider where the service may open it
    counted_by, reported_by: hashes of the transactions; link: the public page of the print
    """

    says: Certified
    domain: Domain
    part: str
    owner: str
    provider: str
    printer: str
    picture: bytes | None
    counted_by: str
    reported_by: str
    link: str


def paper_of(
    services: Services, session: Session, principal: Principal, row: Print, says: Certified, link: str
) -> Paper:
    """Gather the words of a certified print. An auditor's key gets no picture, as it sees no geometry."""
    licence = session.get_one(Licence, row.licence_id)
    revision = session.get_one(Revision, licence.revision_id)
    return Paper(
        says=says,
        domain=services.ledger.domain,
        part=session.get_one(Design, revision.design_id).name,
        owner=session.get_one(Organisation, row.owner_id).name,
        provider=session.get_one(Organisation, row.provider_id).name,
        printer=session.get_one(Printer, row.printer_id).name,
        picture=_picture(services, session, principal, revision),
        counted_by=_transaction(session, row.record_operation),
        reported_by=_transaction(session, row.outcome_operation),
        link=link,
    )


def _picture(services: Services, session: Session, principal: Principal, revision: Revision) -> bytes | None:
    if not principal.has(Role.OWNER, Role.PROVIDER):
        return None
    stored = thumbnail_of(session, revision)
    return None if stored is None else b"".join(services.vault.open(*stored))


def _transaction(session: Session, operation_id: str | None) -> str:
    status = submission.status_of(session, operation_id) if operation_id else None
    receipt = submission.receipt(status)
    return "" if receipt is None else receipt.transaction
