"""The sealed key of a release: sealed now from the wrapped data key, or as the design's owner sealed it.

Which of the two is decided by the manifest, which the owner committed to, never by a row that could change.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.designs.custody import Custody, committed_custody
from app.designs.stored import file_of, openable_file_of
from app.encodings import to_base64, to_hex
from app.licences.grant_info import grant_info
from app.prints.case import Case
from app.prints.schemas import SealedKey
from app.wiring import Services
from ledger.commitment import canonical_json
from storage.envelope import ObjectContext
from storage.recipients import seal

INFO_FORMAT = "partvault/release/v1"


@dataclass(frozen=True)
class Seal:
    """A data key, sealed to the case's printer, and the HPKE info string it is bound to."""

    key: SealedKey
    info: bytes


def seal_for(services: Services, release_id: str, case: Case) -> Seal:
    """Give the seal of a release whose case is intact; KeyUnavailable where the data key cannot be had."""
    if committed_custody(case.revision) == Custody.OWNER:
        return _owners_seal(case)
    return _service_seal(services, release_id, case)


def _owners_seal(case: Case) -> Seal:
    """Hand out what came with the licence; the service has no key to make another."""
    stored = case.sealed
    assert stored is not None  # noqa: S101  # an intact case of an owner-held design has one
    _, context = file_of(case.revision)
    info = grant_info(
        case.licence.licence_hash, case.printer.printer_hash or b"", context, case.revision.commitment or b""
    )
    return Seal(SealedKey(suite=stored.suite, blob=to_base64(stored.blob)), info)


def _service_seal(services: Services, release_id: str, case: Case) -> Seal:
    """Unwrap the data key and seal it to the enrolled key."""
    with services.database.read() as session:
        stored, context = openable_file_of(session, case.revision)
    info = release_info(
        release_id, case.printer.printer_hash or b"", context, case.revision.commitment or b""
    )
    suite, public = case.printer.sealing_suite or "", case.printer.sealing_public or b""
    with services.vault.data_key(stored, context) as key:
        return Seal(SealedKey(suite=suite, blob=to_base64(seal(key, suite, public, info))), info)


def release_info(release_id: str, printer: bytes, context: ObjectContext, commitment: bytes) -> bytes:
    """Give the HPKE info string: release, printer, object and commitment, as canonical JSON."""
    return canonical_json(
        {
            "format": INFO_FORMAT,
            "release": release_id,
            "printer": to_hex(printer),
            "object": context.to_json(),
            "commitment": to_hex(commitment),
        }
    )
