"""Publication: the owner's signed commitment goes on chain."""

from __future__ import annotations

from sqlmodel import Session

from app import submission
from app.accounts.signing import address_of, signature_of
from app.auth.principals import Principal
from app.designs import queries
from app.designs.states import RevisionState
from app.errors import Conflict
from app.models import Organisation, Revision
from app.wiring import Services
from ledger.operations import Publish
from ledger.outbox import OperationStatus
from ledger.typed_data import Publication


def publication_of(revision: Revision, owner: Organisation) -> Publication | None:
    """Give the statement its owner signs, None before the revision is ready."""
    if revision.commitment is None:
        return None
    return Publication(owner=address_of(owner), commitment=revision.commitment)


def settle(session: Session, revision: Revision) -> OperationStatus | None:
    """Bring the row in line with the outbox; gives the publication's status, None where there is none."""
    if revision.publish_operation is None:
        return None
    status = submission.status_of(session, revision.publish_operation)
    if revision.state == RevisionState.PUBLISHING and status.state in {
        submission.CONFIRMED,
        submission.REJECTED,
    }:
        confirmed = status.state == submission.CONFIRMED
        revision.state = RevisionState.PUBLISHED if confirmed else RevisionState.READY
        session.add(revision)
    return status


def publish(services: Services, principal: Principal, revision_id: str, supplied: bytes | None) -> bool:
    """Put the revision's commitment on chain and wait a while; tells whether it is there.

    Raises Conflict for a revision that is not ready, LedgerRejected where the contract refuses.
    """
    with services.database.read() as session:
        row = queries.revision(session, principal, revision_id)
        settle(session, row)
        owner = session.get_one(Organisation, row.organisation_id)
    if row.state not in {RevisionState.PUBLISHING, RevisionState.PUBLISHED}:
        _submit(services, principal, row, owner, supplied)
    return _wait(services, principal, revision_id)


def _submit(
    services: Services, principal: Principal, seen: Revision, owner: Organisation, supplied: bytes | None
) -> None:
    statement = publication_of(seen, owner)
    if seen.state != RevisionState.READY or statement is None:
        raise Conflict(
            f"revision {seen.id} is {seen.state}, not ready",
            remedy="upload a file that passes the gate first; its findings say what is wrong",
        )
    operation = Publish(statement, signature_of(services, owner, statement, supplied))
    submission.require_acceptable(services, operation)
    with services.database.write() as session:
        row = queries.revision(session, principal, seen.id)
        if row.state != RevisionState.READY or row.commitment != seen.commitment:
            return
        row.state = RevisionState.PUBLISHING
        row.publish_operation = submission.append(session, operation)
        session.add(row)


def _wait(services: Services, principal: Principal, revision_id: str) -> bool:
    with services.database.read() as session:
        operation_id = queries.revision(session, principal, revision_id).publish_operation
    if operation_id is None:
        raise Conflict(f"revision {revision_id} changed meanwhile", remedy="read it and publish again")
    status = submission.concluded(
        services,
        operation_id,
        "the publication",
        lambda session: settle(session, queries.revision(session, principal, revision_id)),
    )
    return status.state == submission.CONFIRMED
