"""How a revision's row leads to its objects in the vault."""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import Session

from app.custody import wraps
from app.errors import Conflict
from app.models import Design, Revision
from app.wiring import Services
from storage.envelope import ObjectContext
from storage.vault import StoredObject

FILE, THUMBNAIL = "file", "thumbnail"


def upload_context(revision: Revision, version: int) -> ObjectContext:
    """Give the context of the print file that upload number `version` brings."""
    return ObjectContext(tenant=revision.organisation_id, object_id=revision.id, version=version, kind=FILE)


def file_of(revision: Revision) -> tuple[StoredObject, ObjectContext]:
    """Give the print file's record, without its key, and its context; Conflict where there is no file yet."""
    if revision.file_object is None or revision.file_version is None:
        raise Conflict(f"revision {revision.id} has no file", remedy="upload it first")
    return StoredObject.from_json(revision.file_object), upload_context(revision, revision.file_version)


def openable_file_of(session: Session, revision: Revision) -> tuple[StoredObject, ObjectContext]:
    """Do what `file_of` does, with the wrapped key in the record; KeyUnavailable where there is none."""
    record, context = file_of(revision)
    return replace(record, wrapped=wraps.get(session, context)), context


def note_object(session: Session, services: Services, stored: StoredObject, context: ObjectContext) -> None:
    """Keep the data key of a new object, in the transaction that notes the object in its row."""
    if stored.wrapped is not None:
        wraps.keep(session, services.keys, context, stored.wrapped, services.clock.now())


def thumbnail_of(session: Session, revision: Revision) -> tuple[StoredObject, ObjectContext] | None:
    """Give the picture's record with its wrapped key, None where there is none or its design was shredded."""
    shredded = session.get_one(Design, revision.design_id).shredded_at is not None
    if revision.thumbnail_object is None or shredded:
        return None
    context = thumbnail_context(revision)
    return StoredObject.from_json(revision.thumbnail_object, wraps.get(session, context)), context


def thumbnail_context(revision: Revision) -> ObjectContext:
    """Give the context of the thumbnail of the file that is stored."""
    return ObjectContext(
        tenant=revision.organisation_id,
        object_id=revision.id,
        version=revision.file_version or 0,
        kind=THUMBNAIL,
    )
