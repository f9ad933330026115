"""Rows of licences as the answers show them."""

from __future__ import annotations

import json

from sqlmodel import Session

from app import submission
from app.clock import rfc3339
from app.encodings import to_hex
from app.licences.schemas import LicenceView
from app.licences.service import settle
from app.models import Licence
from app.wiring import Services
from ledger.typed_data import Revocation


def licence_view(session: Session, services: Services, row: Licence) -> LicenceView:
    """Show a licence, in line with the outbox and with the chain's counts."""
    granted, revoked = settle(session, row)
    counted = submission.ask(lambda: services.ledger.licence_state(row.licence_hash))
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
        prints_recorded=counted.used if counted else 0,
        credited=counted.credited if counted else 0,
        starts_at=rfc3339(row.starts_at),
        expires_at=rfc3339(row.expires_at),
        printers=row.printers,
        terms=json.loads(row.terms),
        terms_salt=to_hex(row.terms_salt),
        revocation=Revocation(licence=row.licence_hash).to_json(),
        receipt=submission.receipt(granted),
        revocation_receipt=submission.receipt(revoked),
        created_at=rfc3339(row.created_at),
    )
