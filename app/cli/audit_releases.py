"""Releases for the audit: what was handed to a printer, made once more from the rows and the chain.

Everything in an answer follows from what was signed and stored before it, but the sealed key: that only its
printer can open, and for an owner-held design it is the one its owner gave with the licence.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.designs.custody import Custody, committed_custody
from app.designs.stored import file_of
from app.encodings import to_base64, to_hex
from app.errors import AppError
from app.licences.grant_info import grant_info
from app.models import Licence, LicenceKey, Printer, Release, Revision
from app.prints.seals import INFO_FORMAT
from ledger.audit import Finding
from storage.envelope import ObjectContext
from storage.errors import StorageError
from storage.recipients import sealed_bytes
from storage.vault import StoredObject

_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Answers:
    """Judges the answers that releases keep. `receipt` gives the chain's for a print's fact, None where it
    has none.
    """

    def __init__(self, receipt: Callable[[str], Mapping[str, Any] | None]) -> None:
        self._receipt = receipt
        self._files: dict[str, tuple[StoredObject, ObjectContext, Custody]] = {}

    def findings(
        self,
        row: Release,
        fact: str,
        licence: Licence,
        printer: Printer,
        revision: Revision,
        owners: LicenceKey | None,
    ) -> Iterator[Finding]:
        """Yield the members of an answer that are not what the rows and the chain make them."""
        name = f"releases {row.id}"
        body = _read(row.body or b"")
        if body is None:
            yield Finding(name, "body", "is not the canonical JSON that was handed over")
            return
        try:
            expected = self._expected(row, fact, licence, printer, revision)
        except (AppError, StorageError, ValueError, KeyError) as error:
            yield Finding(name, "body", f"cannot be compared: {error}")
            return
        expected["sealed_key"] = _sealed(body, printer, owners)
        for member in sorted({*body, *expected}):
            if _JSON.encode(body.get(member)) != _JSON.encode(expected.get(member)):
                yield Finding(name, f"body.{member}", "is not what its print, licence and revision make it")

    def _expected(
        self, row: Release, fact: str, licence: Licence, printer: Printer, revision: Revision
    ) -> dict[str, Any]:
        if revision.id not in self._files:
            self._files[revision.id] = (*file_of(revision), committed_custody(revision))
        stored, context, custody = self._files[revision.id]
        named = to_hex(printer.printer_hash or b"")
        if custody == Custody.OWNER:
            commitment = revision.commitment or b""
            info = grant_info(licence.licence_hash, printer.printer_hash or b"", context, commitment).decode()
        else:
            info = _JSON.encode(
                {
                    "format": INFO_FORMAT,
                    "release": row.id,
                    "printer": named,
                    "object": context.to_json(),
                    "commitment": to_hex(revision.commitment or b""),
                }
            )
        return {
            "release_id": row.id,
            "print_id": row.print_id,
            "printer_hash": named,
            "info": info,
            "object": {
                "url": f"/v1/releases/{row.id}/object",
                "sha256": to_hex(stored.ciphertext_sha256),
                "bytes": stored.ciphertext_bytes,
                "plaintext_sha256": to_hex(stored.plaintext_sha256),
                "plaintext_bytes": stored.plaintext_bytes,
                "filename": revision.filename or "",
                "context": dict(context.to_json()),
            },
            "manifest": revision.manifest or "",
            "salt": to_hex(revision.salt or b""),
            "commitment": to_hex(revision.commitment or b""),
            "licence": licence.statement,
            "receipt": self._receipt(fact),
        }


def _sealed(body: Mapping[str, Any], printer: Printer, owners: LicenceKey | None) -> dict[str, Any]:
    """Give the sealed key as it should be; of one that the service sealed, its suite and length."""
    if owners is not None:
        return {"suite": owners.suite, "blob": to_base64(owners.blob)}
    told = body.get("sealed_key")
    blob = told.get("blob") if isinstance(told, dict) else None
    try:
        length = len(to_base64(bytes(sealed_bytes(printer.sealing_suite or ""))))
    except StorageError:
        length = -1
    whole = isinstance(blob, str) and len(blob) == length
    return {"suite": printer.sealing_suite, "blob": blob if whole else None}


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and _JSON.encode(found).encode() == text else None
