"""The upload of a revision's print file: announced, streamed into the vault, and only then noted in the row.

Plaintext touches no disk. A crash after the vault took the object and before the row knows it leaves an
orphan that the worker sweeps away.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from app.auth.principals import Principal
from app.designs import queries
from app.designs.custody import Custody, require_custody
from app.designs.intake import pump
from app.designs.living import require_living
from app.designs.noting import noting
from app.designs.states import RevisionState
from app.designs.stored import note_object, upload_context
from app.errors import Conflict, DigestMismatch, Invalid
from app.models import Revision
from app.wiring import Services
from storage.envelope import ObjectContext
from storage.errors import TooLarge
from storage.vault import StoredObject

FILENAME_CHARS_MAX = 200
_FILENAME = re.compile(r"[^\x00-\x1f/\\]+")
_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")


@dataclass(frozen=True)
class Announcement:
    """What the client says about the body before it sends it."""

    filename: str
    length: int | None
    sha256: bytes | None

    @classmethod
    def read(cls, filename: str, headers: Mapping[str, str]) -> Announcement:
        """Read query and headers (Content-Length, RFC 9530 Repr-Digest); Invalid names the one at fault."""
        length = headers.get("content-length")
        announced = int(length) if length and length.isdigit() else None
        return cls(require_filename(filename), announced, _digest(headers))


def require_filename(filename: str) -> str:
    """Give the name back if a print file may have it; else Invalid."""
    if not _FILENAME.fullmatch(filename) or len(filename) > FILENAME_CHARS_MAX or filename in {".", ".."}:
        raise Invalid(
            f"filename must be 1 to {FILENAME_CHARS_MAX} characters without slashes and controls",
            field="filename",
            remedy="name it as a file in a folder, such as part.stl",
        )
    return filename


def _digest(headers: Mapping[str, str]) -> bytes | None:
    value = headers.get("repr-digest")
    if value is None:
        return None
    found = _SHA256.search(value)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise Invalid(
            "Repr-Digest holds no SHA-256", field="Repr-Digest", remedy="send Repr-Digest: sha-256=:<base64>:"
        )
    return digest


async def receive(
    services: Services, principal: Principal, revision_id: str, said: Announcement, body: AsyncIterator[bytes]
) -> None:
    """Take a print file in; the revision is `inspecting` afterwards, or still a draft when this raises."""
    settings = services.settings
    if said.length is not None and said.length > settings.upload_bytes_max:
        raise TooLarge(settings.upload_bytes_max)
    context = await run_in_threadpool(_begin, services, principal, revision_id)

    def store(source: Iterable[bytes]) -> StoredObject:
        return services.vault.put(context, source, settings.upload_bytes_max)

    stored = await pump(
        body,
        store,
        announced=said.length,
        chunk_bytes=settings.upload_chunk_bytes,
        queue_chunks_max=settings.upload_queue_chunks_max,
    )
    await run_in_threadpool(_finish, services, principal, context, said, stored)


def _begin(services: Services, principal: Principal, revision_id: str) -> ObjectContext:
    """Give this upload its version, so that no two uploads share a context."""
    with services.database.write() as session:
        row = queries.revision(session, principal, revision_id)
        require_custody(session, row, Custody.SERVICE)
        require_draft(row)
        row.upload_version += 1
        session.add(row)
        return upload_context(row, row.upload_version)


def _finish(
    services: Services, principal: Principal, context: ObjectContext, said: Announcement, stored: StoredObject
) -> None:
    """Note the file in the row; whatever speaks against it removes the object again."""
    with noting(services, stored, context.object_id, "file_object"):
        _require_announced(said, stored)
        with services.database.write() as session:
            row = queries.revision(session, principal, context.object_id)
            require_living(session, row.design_id)
            require_draft(row)
            row.state = RevisionState.INSPECTING
            row.filename = said.filename
            row.file_bytes, row.file_sha256 = stored.plaintext_bytes, stored.plaintext_sha256
            row.file_object, row.file_version = stored.to_json(), context.version
            note_object(session, services, stored, context)
            session.add(row)
    services.metrics.uploaded_bytes.inc(stored.plaintext_bytes)
    services.inspections.ring()


def _require_announced(said: Announcement, stored: StoredObject) -> None:
    if stored.plaintext_bytes == 0:
        raise Invalid("the file is empty", field="body", remedy="send the print file's bytes as the body")
    if said.sha256 is not None and not hmac.compare_digest(said.sha256, stored.plaintext_sha256):
        raise DigestMismatch(
            f"the body's SHA-256 is {stored.plaintext_sha256.hex()}, announced was {said.sha256.hex()}",
            field="Repr-Digest",
            remedy="send the file again: the revision is still a draft",
        )


def require_draft(row: Revision) -> None:
    """Refuse, as a Conflict, a revision whose file stands."""
    if row.state != RevisionState.DRAFT:
        raise Conflict(
            f"revision {row.id} is {row.state}; its file can no longer be replaced",
            remedy="make a new revision of the design",
        )
