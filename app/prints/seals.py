"""The sealed key of a release: sealed now from the wrapped data key, or as the design's owner sealed it.

Which of the two is decided by the manifest, which the owner committed to, never by a row that could change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from sqlmodel import Session

from app.custody import wraps as custody_wraps
from app.designs.custody import Custody, committed_custody
from app.designs.stored import file_of
from app.encodings import to_base64, to_hex
from app.licences.grant_info import grant_info
from app.models import Revision
from app.prints.case import Case
from app.prints.schemas import SealedKey
from app.wiring import Services
from ledger.commitment import canonical_json
from storage.envelope import ObjectContext
from storage.recipients import seal
from storage.secret import DataKey
from storage.vault import StoredObject

INFO_FORMAT = "partvault/release/v1"


@dataclass(frozen=True)
class Seal:
    """A data key, sealed to the case's printer, and the HPKE info string it is bound to."""

    key: SealedKey
    info: bytes


Wraps: TypeAlias = Mapping[str, tuple[StoredObject, ObjectContext]]
"""The objects of revisions whose keys the service holds, with the wrapped keys, by the revisions' ids."""


def seal_for(services: Services, release_id: str, case: Case) -> Seal:
    """Give the seal of a release whose case is intact; KeyUnavailable where the data key cannot be had."""
    with services.database.read() as session:
        wraps = wraps_of(session, [case.revision])
    with Sealer(services, wraps) as sealer:
        return sealer.seal_for(release_id, case)


def wraps_of(session: Session, revisions: Iterable[Revision]) -> Wraps:
    """Read the wrapped keys there are; the owner of a design may hold its key alone."""
    found = {}
    for revision in {revision.id: revision for revision in revisions}.values():
        record, context = file_of(revision)
        wrapped = custody_wraps.find(session, context)
        if wrapped is not None:
            found[revision.id] = replace(record, wrapped=wrapped), context
    return found


class Sealer:
    """Seals data keys to printers, each unwrapped once at the most; on leaving, all of them are wiped."""

    def __init__(self, services: Services, wraps: Wraps) -> None:
        self._services = services
        self._wraps = wraps
        self._keys: dict[str, DataKey] = {}
        self._files: dict[str, tuple[StoredObject, ObjectContext]] = {}
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def seal_for(self, release_id: str, case: Case) -> Seal:
        """Do what the function of this name does."""
        if committed_custody(case.revision) == Custody.OWNER:
            return _owners_seal(case)
        _, context = self.file_of(case.revision)
        printer_hash, commitment = case.printer.printer_hash or b"", case.revision.commitment or b""
        info = release_info(release_id, printer_hash, context, commitment)
        suite, public = case.printer.sealing_suite or "", case.printer.sealing_public or b""
        blob = seal(self._key(case.revision, context), suite, public, info)
        return Seal(SealedKey(suite=suite, blob=to_base64(blob)), info)

    def file_of(self, revision: Revision) -> tuple[StoredObject, ObjectContext]:
        """Do what `app.designs.stored.file_of` does, once for a revision."""
        if revision.id not in self._files:
            self._files[revision.id] = file_of(revision)
        return self._files[revision.id]

    def _key(self, revision: Revision, context: ObjectContext) -> DataKey:
        """Unwrap a revision's data key, the first time it is needed."""
        if revision.id not in self._keys:
            if revision.id not in self._wraps:
                raise custody_wraps.absent(context)
            stored, bound = self._wraps[revision.id]
            key = self._services.vault.data_key(stored, bound)
            self._keys[revision.id] = self._held.enter_context(key)
        return self._keys[revision.id]


def _owners_seal(case: Case) -> Seal:
    """Hand out what came with the licence; the service has no key to make another."""
    stored = case.sealed
    assert stored is not None  # noqa: S101  # an intact case of an owner-held design has one
    _, context = file_of(case.revision)
    info = grant_info(
        case.licence.licence_hash, case.printer.printer_hash or b"", context, case.revision.commitment or b""
    )
    return Seal(SealedKey(suite=stored.suite, blob=to_base64(stored.blob)), info)


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
