"""Grants and revokes licences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from sqlmodel import Session

from app import idempotency, submission
from app.accounts.signing import signature_of
from app.auth.principals import Principal
from app.designs.living import require_living
from app.encodings import from_hex
from app.errors import Conflict
from app.idempotency import Attempt, Made
from app.identifiers import LICENCE, new_id
from app.licences import queries, sealed_keys
from app.licences.drafting import Draft, draft
from app.licences.schemas import LicenceRequest, PrinterKey
from app.licences.states import LicenceState
from app.models import Licence, Organisation
from app.wiring import Services
from ledger import typed_data
from ledger.operations import Grant, Revoke
from ledger.outbox import OperationStatus

_FINAL = {submission.CONFIRMED, submission.REJECTED}


def statement_of(row: Licence) -> typed_data.Licence:
    """Give the statement its owner signed."""
    return _statement(json.dumps(row.statement))


@lru_cache(maxsize=4096)
def _statement(text: str) -> typed_data.Licence:
    """Read a statement; remembered by all that it says, as every print asks."""
    return typed_data.Licence.from_json(json.loads(text))


def settle(session: Session, row: Licence) -> tuple[OperationStatus, OperationStatus | None]:
    """Bring the row in line with the outbox; gives the status of its grant and of its revocation."""
    granted = submission.status_of(session, row.grant_operation)
    revoked = submission.status_of(session, row.revoke_operation) if row.revoke_operation else None
    if row.state == LicenceState.PENDING and granted.state in _FINAL:
        confirmed = granted.state == submission.CONFIRMED
        row.state = LicenceState.ACTIVE if confirmed else LicenceState.REJECTED
        session.add(row)
    if row.state == LicenceState.REVOKING and revoked and revoked.state in _FINAL:
        confirmed = revoked.state == submission.CONFIRMED
        row.state = LicenceState.REVOKED if confirmed else LicenceState.ACTIVE
        session.add(row)
    return granted, revoked


def grant(services: Services, request: Attempt, principal: Principal, body: LicenceRequest) -> Made:
    """Sign or take the owner's signature, put the licence on chain, and wait a while.

    Raises LedgerRejected with the contract's reason; InvalidSignature; what drafting raises; Invalid unless
    an owner-held design's licence brings its sealed keys.
    """
    with services.database.read() as session:
        made = idempotency.recall(session, services, request)
    if made is None:
        prepared = draft(services, principal, body)
        supplied = from_hex(body.signature) if body.signature else None
        operation = Grant(
            prepared.statement, signature_of(services, prepared.owner, prepared.statement, supplied)
        )
        submission.require_acceptable(services, operation)
        made = _store(services, request, prepared, operation, body.sealed_keys)
    wait_for_grant(services, made.row_id)
    return made


def _store(
    services: Services, request: Attempt, prepared: Draft, operation: Grant, keys: Sequence[PrinterKey]
) -> Made:
    """Store the licence with its keys, and the operation that grants it; Invalid where a key is wrong."""
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        row = add(services, session, prepared, operation, keys)
        return idempotency.keep(session, services, request, row.id)


def add(
    services: Services, session: Session, prepared: Draft, operation: Grant, keys: Sequence[PrinterKey]
) -> Licence:
    """Add a licence's row, its keys and the operation that grants it; Invalid where a key is wrong."""
    require_living(session, prepared.revision.design_id)
    row = Licence(
        id=new_id(LICENCE, services.entropy),
        owner_id=prepared.owner.id,
        provider_id=prepared.provider.id,
        revision_id=prepared.revision.id,
        state=LicenceState.PENDING,
        licence_hash=prepared.statement.struct_hash(),
        statement=prepared.statement.to_json(),
        printers=list(prepared.printers),
        terms=prepared.terms,
        terms_salt=prepared.terms_salt,
        prints=prepared.statement.prints,
        reprints=prepared.statement.reprints,
        starts_at=prepared.statement.starts_at,
        expires_at=prepared.statement.expires_at,
        grant_operation=submission.append(session, operation),
        created_at=services.clock.now(),
    )
    session.add(row)
    session.flush()
    session.add_all(sealed_keys.rows_of(row.id, prepared.custody, prepared.suites, keys))
    return row


def wait_for_grant(services: Services, licence_id: str) -> None:
    """Wait as long as a request may until the chain has taken a licence; LedgerRejected where it does not."""
    with services.database.read() as session:
        operation_id = session.get_one(Licence, licence_id).grant_operation
    submission.concluded(
        services,
        operation_id,
        f"licence {licence_id}",
        lambda session: settle(session, session.get_one(Licence, licence_id)),
    )


def revoke(services: Services, principal: Principal, licence_id: str, supplied: bytes | None) -> bool:
    """Withdraw a licence: nothing is authorised or released from now on; tells whether the chain has it."""
    with services.database.read() as session:
        row = queries.owned(session, principal, licence_id)
        settle(session, row)
        owner = session.get_one(Organisation, row.owner_id)
    if row.revoke_operation is None or row.state == LicenceState.ACTIVE:
        _submit_revocation(services, principal, row, owner, supplied)
    return _wait_for_revocation(services, principal, licence_id)


def _submit_revocation(
    services: Services, principal: Principal, seen: Licence, owner: Organisation, supplied: bytes | None
) -> None:
    if seen.state != LicenceState.ACTIVE:
        raise Conflict(
            f"licence {seen.id} is {seen.state}, not active", remedy="wait until its grant is confirmed"
        )
    statement = statement_of(seen)
    signed = typed_data.Revocation(licence=statement.struct_hash())
    operation = Revoke(statement, signature_of(services, owner, signed, supplied))
    submission.require_acceptable(services, operation)
    with services.database.write() as session:
        row = queries.owned(session, principal, seen.id)
        settle(session, row)
        if row.state == LicenceState.ACTIVE:
            row.state = LicenceState.REVOKING
            row.revoke_operation = submission.append(session, operation)
            session.add(row)


def _wait_for_revocation(services: Services, principal: Principal, licence_id: str) -> bool:
    with services.database.read() as session:
        operation_id = queries.owned(session, principal, licence_id).revoke_operation
    if operation_id is None:
        raise Conflict(f"licence {licence_id} changed meanwhile", remedy="read it and revoke again")
    status = submission.concluded(
        services,
        operation_id,
        "the revocation",
        lambda session: settle(session, queries.owned(session, principal, licence_id)),
    )
    return status.state == submission.CONFIRMED
