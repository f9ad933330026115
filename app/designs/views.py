"""Rows of designs and revisions as the answers show them."""

from __future__ import annotations

from sqlmodel import Session

from app import submission
from app.clock import rfc3339
from app.designs.publication import publication_of, settle
from app.designs.schemas import DesignView, FileView, PublicationView, RevisionView
from app.encodings import maybe_hex
from app.models import Design, Organisation, Revision
from ledger.typed_data import Domain, typed_data


def design_view(row: Design) -> DesignView:
    """Show a design."""
    return DesignView(
        id=row.id, name=row.name, description=row.description, created_at=rfc3339(row.created_at)
    )


def revision_view(session: Session, row: Revision, domain: Domain) -> RevisionView:
    """Show a revision as its owner sees it, in line with the outbox."""
    status = settle(session, row)
    statement = publication_of(row, session.get_one(Organisation, row.organisation_id))
    publication = statement.to_json() if statement else None
    return RevisionView(
        id=row.id,
        design_id=row.design_id,
        number=row.number,
        state=row.state,
        recipe=row.recipe,
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


def _file(row: Revision) -> FileView | None:
    if row.filename is None or row.file_bytes is None or row.file_sha256 is None:
        return None
    return FileView(
        filename=row.filename, bytes=row.file_bytes, sha256=row.file_sha256.hex(), format=row.file_format
    )
