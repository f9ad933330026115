"""Stored objects for the audit: each whole, unaltered, and openable with the key its row keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlmodel import Session, col, select

from app.custody import wraps
from app.designs.stored import file_of, thumbnail_context
from app.models import Revision
from ledger.audit import Finding
from storage.envelope import ObjectContext
from storage.errors import StorageError
from storage.vault import StoredObject, Vault


@dataclass(frozen=True)
class Kept:
    """An object a row speaks of; `column` is where the row keeps it."""

    row: str
    column: str
    stored: StoredObject
    context: ObjectContext


def kept(session: Session) -> list[Kept]:
    """List every object the database knows."""
    rows = session.exec(select(Revision).where(col(Revision.file_object).is_not(None))).all()
    found = []
    for row in rows:
        stored, context = file_of(row)
        stored = replace(stored, wrapped=wraps.find(session, context))
        found.append(Kept(f"revisions {row.id}", "file_object", stored, context))
        if row.thumbnail_object is not None:
            context = thumbnail_context(row)
            picture = StoredObject.from_json(row.thumbnail_object, wraps.find(session, context))
            found.append(Kept(f"revisions {row.id}", "thumbnail_object", picture, context))
    return found


def check(vault: Vault, objects: list[Kept], moved: Callable[[int], None]) -> Iterator[Finding]:
    """Read every object and unwrap its key; yield what is damaged. `moved` takes the bytes read."""
    for item in objects:
        try:
            vault.check(item.stored)
            vault.data_key(item.stored, item.context).wipe()
        except StorageError as error:
            yield Finding(item.row, item.column, str(error))
        moved(item.stored.ciphertext_bytes)
