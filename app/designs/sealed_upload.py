"""The upload of a file that its owner encrypted: ciphertext, stored as it arrives.

Every upload has a version of its own, which the owner encrypted for, so that no two ciphertexts share a
context; what was stored and not declared yet gives way to a later one. A crash after the vault took the
object and before the row knows it leaves an orphan that the worker sweeps away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from app.auth.principals import Principal
from app.designs import queries
from app.designs.custody import Custody, custody_of, require_custody
from app.designs.intake import pump
from app.designs.living import require_living
from app.designs.noting import noting
from app.designs.stored import file_of, upload_context
from app.designs.upload import require_draft
from app.errors import Conflict, Invalid
from app.models import Revision
from app.wiring import Services
from storage.envelope import ObjectContext
from storage.errors import ObjectDamaged, StorageError, TooLarge
from storage.stream import ciphertext_length, plaintext_length
from storage.vault import StoredObject

_SEND_ALL = "send a whole ciphertext (docs/formats/stream.md), for the version the revision names now"


async def receive(
    services: Services,
    principal: Principal,
    revision_id: str,
    version: int,
    length: int | None,
    body: AsyncIterator[bytes],
) -> None:
    """Take a ciphertext in; the revision stays a draft until its owner declares what it holds.

    `length` is the announced one, where there is one.
    """
    settings = services.settings
    bytes_max = ciphertext_length(settings.upload_bytes_max)
    if length is not None:
        _require_message(length, bytes_max)
    context = await run_in_threadpool(_begin, services, principal, revision_id, version)

    def store(source: Iterable[bytes]) -> StoredObject:
        return services.vault.put_ciphertext(source, bytes_max)

    try:
        stored = await pump(
            body,
            store,
            announced=length,
            chunk_bytes=settings.upload_chunk_bytes,
            queue_chunks_max=settings.upload_queue_chunks_max,
        )
    except ObjectDamaged as error:
        raise _no_message(str(error)) from None
    await run_in_threadpool(_finish, services, principal, context, stored)


def next_context(revision: Revision) -> ObjectContext:
    """Give the context of the next ciphertext; its version is the lowest that is free."""
    return upload_context(revision, revision.upload_version + 1)


def stored_for(session: Session, revision: Revision) -> StoredObject:
    """Give the record of a ciphertext its owner may have back; Conflict where the service keeps the key."""
    if custody_of(session, revision) != Custody.OWNER:
        raise Conflict(
            "the service keeps the key of this design, and hands its file to nobody but licensed printers",
            field="custody",
            remedy="keep a copy of your own, or make a design of custody owner to hold its key yourself",
        )
    require_living(session, revision.design_id)
    return file_of(revision)[0]


def _begin(services: Services, principal: Principal, revision_id: str, version: int) -> ObjectContext:
    """Use the version up, and all below it, whatever becomes of the upload."""
    with services.database.write() as session:
        row = queries.revision(session, principal, revision_id)
        require_custody(session, row, Custody.OWNER)
        require_draft(row)
        if version <= row.upload_version:
            raise Conflict(
                f"version {version} of revision {row.id} is used, {row.upload_version + 1} is the next",
                field="version",
                remedy="read the revision's upload_context and encrypt for that, with a fresh data key",
            )
        row.upload_version = version
        session.add(row)
        return upload_context(row, version)


def _finish(services: Services, principal: Principal, context: ObjectContext, stored: StoredObject) -> None:
    """Note the object in the row, and remove the one it replaces."""
    replaced = None
    with noting(services, stored, context.object_id, "file_object"):
        _require_message(stored.ciphertext_bytes, stored.ciphertext_bytes)
        with services.database.write() as session:
            row = queries.revision(session, principal, context.object_id)
            require_living(session, row.design_id)
            replaced = _note(row, context, stored)
            session.add(row)
    if replaced is not None:
        with suppress(StorageError):  # the worker sweeps orphans away
            services.vault.discard(replaced)
    services.metrics.uploaded_bytes.inc(stored.ciphertext_bytes)


def _note(row: Revision, context: ObjectContext, stored: StoredObject) -> StoredObject | None:
    """Write the record into the row; gives the one it replaces."""
    require_draft(row)
    if context.version <= (row.file_version or 0):
        raise Conflict(
            f"version {row.file_version} of revision {row.id} was stored meanwhile",
            field="version",
            remedy="declare that one, or upload once more",
        )
    replaced = file_of(row)[0] if row.file_object is not None else None
    row.file_object, row.file_version = stored.to_json(), context.version
    return replaced


def _require_message(length: int, bytes_max: int) -> None:
    """Raise where no file has a ciphertext of this length."""
    if length > bytes_max:
        raise TooLarge(bytes_max)
    try:
        empty = plaintext_length(length) == 0
    except ObjectDamaged as error:
        raise _no_message(str(error)) from None
    if empty:
        raise _no_message("this is the ciphertext of an empty file")


def _no_message(sentence: str) -> Invalid:
    return Invalid(sentence, field="body", remedy=_SEND_ALL)
