"""Rows of licences as the answers show them."""

from __future__ import annotations

import json

from sqlmodel import Session

from app import submission
from app.clock import rfc3339
from app.encodings import to_hex
from app.licences import queries
from app.licences.schemas import LicenceView, TransferView
from app.licences.service import settle, statement_of
from app.models import Licence
from app.wiring import Services
from ledger.contract_state import LicenceState
from ledger.typed_data import PrintTransfer, Revocation, TransferConsent


def counts_of(services: Services, licence_hash: bytes) -> LicenceState | None:
    """Ask the chain for a licence's counts; never within a transaction that changes rows."""
    return submission.ask(lambda: services.ledger.licence_state(licence_hash))


def licence_view(session: Session, row: Licence, counted: LicenceState | None) -> LicenceView:
    """Show a licence, in line with the outbox and with the chain's counts."""
    granted, revoked = settle(session, row)
    return LicenceView(
        id=row.id,
        state=row.state,
        revision_id=row.revision_id,
        owner_id=row.owner_id,
        provider_id=row.provider_id,
        licence_hash=to_hex(row.licence_hash),
        licence=row.statement,
        prints=row.prints,
        reprints=row.reprints,
        prints_transferred=row.prints - counted.prints if counted else 0,
        prints_recorded=counted.used if counted else 0,
        credited=counted.credited if counted else 0,
        starts_at=rfc3339(row.starts_at),
        expires_at=rfc3339(row.expires_at),
        printers=row.printers,
        terms=json.loads(row.terms),
        terms_salt=to_hex(row.terms_salt),
        replaces=queries.replaced(session, row.id),
        consented=row.transfer_consent is not None,
        transferred_from=row.transferred_from,
        transfer_consent=TransferConsent(licence=row.licence_hash).to_json(),
        revocation=Revocation(licence=row.licence_hash).to_json(),
        receipt=submission.receipt(granted),
        revocation_receipt=submission.receipt(revoked),
        created_at=rfc3339(row.created_at),
    )


def transfer_view(session: Session, row: Licence) -> TransferView:
    """Show the transfer that made a licence, in line with the outbox."""
    granted, _ = settle(session, row)
    origin, made = session.get_one(Licence, row.transferred_from), statement_of(row)
    final = {submission.CONFIRMED, submission.REJECTED}
    return TransferView(
        id=row.id,
        licence_id=origin.id,
        provider_id=row.provider_id,
        prints=row.prints,
        state=granted.state if granted.state in final else "pending",
        transfer=PrintTransfer(origin.licence_hash, made.provider, made.prints, made.salt).to_json(),
        licence_hash=to_hex(row.licence_hash),
        receipt=submission.receipt(granted),
        created_at=rfc3339(row.created_at),
    )
