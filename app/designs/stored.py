"""How a revision's row leads to its objects in the vault."""

from __future__ import annotations

from app.errors import Conflict
from app.models import Revision
from storage.envelope import ObjectContext
from storage.vault import StoredObject

FILE, THUMBNAIL = "file", "thumbnail"


def upload_context(revision: Revision, version: int) -> ObjectContext:
    """Give the context of the print file that upload number `version` brings."""
    return ObjectContext(tenant=revision.organisation_id, object_id=revision.id, version=version, kind=FILE)


def file_of(revision: Revision) -> tuple[StoredObject, ObjectContext]:
    """Give the print file's record and context; Conflict where there is no file yet."""
    if revision.file_object is None or revision.file_version is None:
        raise Conflict(f"revision {revision.id} has no file", remedy="PUT its file first")
    return StoredObject.from_json(revision.file_object), upload_context(revision, revision.file_version)


def thumbnail_context(revision: Revision) -> ObjectContext:
    """Give the context of the thumbnail of the file that is stored."""
    return ObjectContext(
        tenant=revision.organisation_id,
        object_id=revision.id,
        version=revision.file_version or 0,
        kind=THUMBNAIL,
    )
