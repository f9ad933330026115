"""Rows of designs and revisions as the answers show them."""

from __future__ import annotations

from sqlmodel import Session

from app import submission
from app.clock import rfc3339
from app.designs.custody import Custody
from app.designs.publication import publication_of, settle
from app.designs.schemas import CiphertextView, DesignView, FileView, PublicationView, RevisionView
from app.designs.sealed_upload import next_context
from app.designs.states import RevisionState
from app.designs.stored import file_of
from app.encodings import JsonObject, maybe_hex, maybe_time
from app.models import Design, Organisation, Revision
from ledger.typed_data import Domain, typed_data


def design_view(row: Design) -> DesignView:
    """Show a design."""
    return DesignView(
        id=row.id,
        name=row.name,
        description=row.description,
        custody=Custody(row.custody),
        created_at=rfc3339(row.created_at),
        shredded_at=maybe_time(row.shredded_at),
    )


def revision_view(session: Session, row: Revision, domain: Domain) -> RevisionView:
    """Show a revision as its owner sees it, in line with the outbox."""
    status = settle(session, row)
    statement = publication_of(row, session.get_one(Organisation, row.organisation_id))
    publication = statement.to_json() if statement else None
    custody = Custody(session.get_one(Design, row.design_id).custody)
    return RevisionView(
        id=row.id,
        design_id=row.design_id,
        number=row.number,
        state=row.state,
        custody=custody,
        recipe=row.recipe,
        upload_context=_upload_context(row) if custody == Custody.OWNER else None,
        ciphertext=_ciphertext(row) if custody == Custody.OWNER else None,
        file=_file(row),
        inspection=row.inspection,
        manifest=row.manifest,
        salt=maybe_hex(row.salt),
        commitment=maybe_hex(row.commitment),
        publication=PublicationView(**publication) if publication else None,
        typed_data=typed_data(domain, statement) if statement else None,
        revision_hash=maybe_hex(row.revision_hash),
        receipt=submission.receipt(status),
        created_at=rfc3339(row.created_at),
    )


def _upload_context(row: Revision) -> JsonObject | None:
    return dict(next_context(row).to_json()) if row.state == RevisionState.DRAFT else None


def _ciphertext(row: Revision) -> CiphertextView | None:
    if row.file_object is None:
        return None
    stored, context = file_of(row)
    return CiphertextView(
        sha256=stored.ciphertext_sha256.hex(), bytes=stored.ciphertext_bytes, context=dict(context.to_json())
    )


def _file(row: Revision) -> FileView | None:
    if row.filename is None or row.file_bytes is None or row.file_sha256 is None:
        return None
    return FileView(
        filename=row.filename, bytes=row.file_bytes, sha256=row.file_sha256.hex(), format=row.file_format
    )
