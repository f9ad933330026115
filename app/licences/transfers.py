"""Consents to transfers, and transfers: unused prints of a licence become a licence of another provider.

The owner's consent is a signature that waits in the licence's row; the provider's transfer carries both to
the chain, and the new licence is stored with it (docs/adr/0006-transfer-of-prints.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, or_, select

from app import idempotency, submission
from app.accounts.signing import address_of, signature_of
from app.auth.principals import Principal, Role
from app.designs.custody import Custody, custody_of
from app.designs.living import require_living
from app.encodings import from_hex, to_hex
from app.errors import Conflict, Invalid, NotFound, Reason
from app.idempotency import Attempt, Made
from app.identifiers import LICENCE, new_id
from app.licences import queries
from app.licences.schemas import TransferRequest
from app.licences.service import settle, statement_of
from app.licences.states import LicenceState
from app.licences.transfer_policy import Numbers, Source, judge_consent, judge_transfer
from app.models import Licence, Organisation, Print, Revision
from app.wiring import Services
from ledger import contract_state, typed_data
from ledger.operations import Transfer
from ledger.typed_data import PrintTransfer, TransferConsent


@dataclass(frozen=True)
class Proposal:
    """A transfer not signed yet: from which licence, between whom, and the licence it makes."""

    origin: Licence
    provider: Organisation
    receiver: Organisation
    statement: PrintTransfer
    made: typed_data.Licence


def consent(services: Services, principal: Principal, licence_id: str, supplied: bytes | None) -> None:
    """Keep the owner's consent to transfers, signed here for a managed account; a repeat changes nothing.

    1. The licence is the caller's. Policy finds nothing against it: in force, and its terms allow transfers.
    2. Only then is it signed, or the owner's signature verified.
    3. Stored.

    Raises NotFound, Conflict with every reason, Invalid and InvalidSignature.
    """
    # (1) the licence and its terms
    with services.database.read() as session:
        row = queries.owned(session, principal, licence_id)
        owner = session.get_one(Organisation, row.owner_id)
    counted = submission.ask(lambda: services.ledger.licence_state(row.licence_hash))
    with services.database.read() as session:
        row = queries.owned(session, principal, licence_id)
        if row.transfer_consent is not None:
            return
        source, now = _source(session, row, counted), submission.now(services, session)
    _require_none(row, judge_consent(source, now), "consent to transfers of")
    # (2) the signature
    signature = signature_of(services, owner, TransferConsent(row.licence_hash), supplied)
    # (3) the row
    with services.database.write() as session:
        row = queries.owned(session, principal, licence_id)
        session.refresh(row, with_for_update=True)
        row.transfer_consent = row.transfer_consent or signature
        session.add(row)


def propose(services: Services, principal: Principal, licence_id: str, body: TransferRequest) -> Proposal:
    """Look everything up and build the statement its provider signs.

    Raises NotFound for a licence that is not the caller's and for a receiver that is no provider; Invalid
    where that is the caller itself.
    """
    salt = from_hex(body.salt) if body.salt else services.entropy(32)
    with services.database.read() as session:
        origin = queries.held(session, principal, licence_id)
        provider = session.get_one(Organisation, origin.provider_id)
        receiver = _receiver(session, provider, body.provider_id)
    statement = PrintTransfer(origin.licence_hash, address_of(receiver), body.prints, salt)
    return Proposal(
        origin, provider, receiver, statement, typed_data.transferred(statement_of(origin), statement)
    )


def transfer(
    services: Services, request: Attempt, principal: Principal, licence_id: str, body: TransferRequest
) -> Made:
    """Transfer prints, on chain, and wait a while; gives the row of the licence they become.

    1. A repeat finds what the first one made. Licence and receiver are there.
    2. Policy permits it, with every reason where not.
    3. The provider signs, or its signature is verified; the contract would take it.
    4. One transaction, holding the licence: policy again, the new licence's row, the outbox row.

    Raises NotFound, Invalid, InvalidSignature, Conflict with reasons, LedgerRejected.
    """
    # (1) the rows
    with services.database.read() as session:
        made = idempotency.recall(session, services, request)
    if made is None:
        proposal = propose(services, principal, licence_id, body)
        # (2) policy
        submission.require_healthy(services)
        counted = submission.ask(lambda: services.ledger.licence_state(proposal.origin.licence_hash))
        with services.database.read() as session:
            origin = _permitted(services, session, proposal, counted)
        # (3) the signatures
        operation = _operation(services, proposal, origin, body)
        submission.require_acceptable(services, operation)
        # (4) the transaction
        made = _store(services, request, proposal, operation, counted)
    _wait(services, made.row_id)
    return made


def numbers_of(
    session: Session, row: Licence, counted: contract_state.LicenceState | None, now: int
) -> Numbers:
    """Give how many numbers a licence has for prints, and the highest in use, live tokens' included.

    A transfer on its way counts as done from when it is stored.
    """
    passed_on = queries.passed_on(session, row.id)
    live = or_(col(Print.record_operation).is_not(None), col(Print.token_expires_at) > now)
    held = select(func.max(Print.sequence)).where(
        Print.licence_id == row.id, col(Print.holds_sequence).is_(True), live
    )
    highest = session.exec(held).one() or 0
    if counted is None:
        return Numbers(row.prints - passed_on, highest)
    allowed = min(counted.prints, row.prints - passed_on) + counted.credited
    return Numbers(allowed, max(highest, counted.base + counted.window.bit_length()))


def _source(session: Session, row: Licence, counted: contract_state.LicenceState | None) -> Source:
    settle(session, row)
    return Source(
        state=row.state,
        expires_at=row.expires_at,
        terms=json.loads(row.terms),
        consented=row.transfer_consent is not None,
        listed=bool(row.printers),
        owner_held=custody_of(session, session.get_one(Revision, row.revision_id)) == Custody.OWNER,
        on_chain=counted is not None,
        revoked_on_chain=counted is not None and counted.revoked,
    )


def _receiver(session: Session, provider: Organisation, receiver_id: str) -> Organisation:
    row = session.get(Organisation, receiver_id)
    if row is None or row.address is None or Role.PROVIDER not in row.roles:
        raise NotFound("provider", receiver_id)
    if row.id == provider.id:
        raise Invalid(
            "the prints are yours already",
            field="provider_id",
            remedy="name the provider that is to have them",
        )
    return row


def _permitted(
    services: Services, session: Session, proposal: Proposal, counted: contract_state.LicenceState | None
) -> Licence:
    """(2) the licence as it is now, if policy finds nothing against the transfer; Conflict where it does."""
    row = session.get_one(Licence, proposal.origin.id)
    now = submission.now(services, session)
    source, numbers = _source(session, row, counted), numbers_of(session, row, counted, now)
    _require_none(
        row, judge_transfer(source, numbers, proposal.statement.prints, now), "transfer of prints of"
    )
    return row


def _operation(services: Services, proposal: Proposal, origin: Licence, body: TransferRequest) -> Transfer:
    """(3) both signatures: the provider's over the transfer, the owner's consent as it was given."""
    signature = signature_of(services, proposal.provider, proposal.statement, body.signature_bytes())
    return Transfer(statement_of(origin), proposal.statement, signature, origin.transfer_consent or b"")


def _store(
    services: Services,
    request: Attempt,
    proposal: Proposal,
    operation: Transfer,
    counted: contract_state.LicenceState | None,
) -> Made:
    """(4) from here on no number of the prints that go is given out under the old licence."""
    made = proposal.made
    with services.database.write() as session:
        recalled = idempotency.recall(session, services, request)
        if recalled is not None:
            return recalled
        session.get(Licence, proposal.origin.id, with_for_update=True)
        origin = _permitted(services, session, proposal, counted)
        require_living(session, session.get_one(Revision, origin.revision_id).design_id)
        _require_new(session, made.struct_hash())
        row = Licence(
            id=new_id(LICENCE, services.entropy),
            owner_id=origin.owner_id,
            provider_id=proposal.receiver.id,
            revision_id=origin.revision_id,
            state=LicenceState.PENDING,
            licence_hash=made.struct_hash(),
            statement=made.to_json(),
            printers=list(origin.printers),
            terms=origin.terms,
            terms_salt=origin.terms_salt,
            prints=made.prints,
            reprints=made.reprints,
            starts_at=made.starts_at,
            expires_at=made.expires_at,
            grant_operation=submission.append(session, operation),
            transferred_from=origin.id,
            created_at=services.clock.now(),
        )
        session.add(row)
        return idempotency.keep(session, services, request, row.id)


def _require_new(session: Session, licence_hash: bytes) -> None:
    if session.exec(select(Licence.id).where(Licence.licence_hash == licence_hash)).first():
        raise Conflict(
            f"this very transfer was made already, as licence {to_hex(licence_hash)}",
            field="salt",
            remedy="use another salt to transfer as many prints once more",
        )


def _wait(services: Services, licence_id: str) -> None:
    with services.database.read() as session:
        operation_id = session.get_one(Licence, licence_id).grant_operation
    submission.concluded(
        services,
        operation_id,
        "the transfer",
        lambda session: settle(session, session.get_one(Licence, licence_id)),
    )


def _require_none(row: Licence, reasons: Sequence[Reason], what: str) -> None:
    if reasons:
        listed = "; ".join(reason.message for reason in reasons)
        raise Conflict(
            f"no {what} licence {row.id}: {listed}",
            reasons=reasons,
            remedy="nothing was signed or transferred; see the reasons",
        )
