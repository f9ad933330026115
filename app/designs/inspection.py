"""One inspection: decrypt into the sandbox, judge, draw, and write the verdict into the row.

Only a pass makes a revision ready. A damaged object, a limit, a time-out, a crash, and too many attempts that
died are all refusals. A key or object store that does not answer is neither: the revision waits.
"""

from __future__ import annotations

import hmac
import threading
from typing import TYPE_CHECKING

import structlog

from app.accounts.signing import address_of
from app.designs import lease, manifest, similarity
from app.designs.custody import Custody
from app.designs.lease import Claim
from app.designs.noting import noting
from app.designs.recipe import gate_policy
from app.designs.states import RevisionState
from app.designs.stored import note_object, openable_file_of, thumbnail_context
from app.models import Organisation, Revision
from app.wiring import Services
from mesh_tools.errors import SandboxUnavailable
from mesh_tools.inspect import Inspection
from storage.errors import KeyUnavailable, ObjectDamaged, StorageError, StoreUnavailable, WrongContext
from storage.vault import StoredObject

if TYPE_CHECKING:
    from mesh_tools.fingerprint.vector import Fingerprint

THUMBNAIL_BYTES_MAX = 8 * 1024**2
_log = structlog.get_logger("app.worker")


def inspect_next(services: Services, worker: str, stopping: threading.Event | None = None) -> bool:
    """Claim one waiting revision and inspect it; False where none waits.

    A refusal that comes while `stopping` is set may be that of a sandbox that is being closed: it does not
    count.
    """
    claim = lease.claim_next(services, worker)
    if claim is None:
        return False
    with lease.renewing(services, claim):
        _inspect(services, claim, stopping or threading.Event())
    similarity.compare_waiting(services)
    return True


def _inspect(services: Services, claim: Claim, stopping: threading.Event) -> None:
    with services.database.read() as session:
        row = session.get_one(Revision, claim.revision_id)
    if claim.attempt > services.settings.inspect_attempts_max:
        _refuse(
            services, claim, "inspection.abandoned", f"{claim.attempt - 1} inspections died without a verdict"
        )
        return
    try:
        inspection = _run(services, row)
        has_surface = inspection.verdict == "pass" and inspection.geometry is not None
        likeness = similarity.fingerprint_of(services, row) if has_surface else None
    except (KeyUnavailable, StoreUnavailable, SandboxUnavailable) as error:
        _log.warning("inspection postponed", revision=row.id, error=error.kind)
        lease.give_back(services, claim)
        return
    except (ObjectDamaged, WrongContext) as error:
        _refuse(services, claim, "object.damaged", str(error))
        return
    if stopping.is_set() and inspection.verdict != "pass":
        lease.give_back(services, claim)
        return
    _conclude(services, claim, row, inspection, likeness)


def _run(services: Services, row: Revision) -> Inspection:
    with services.database.read() as session:
        stored, context = openable_file_of(session, row)
    inspection = services.sandbox.inspect(
        services.vault.open(stored, context), filename=row.filename or "", policy=gate_policy(row.recipe)
    )
    if inspection.verdict == "pass" and not hmac.compare_digest(inspection.sha256, stored.plaintext_sha256):
        raise ObjectDamaged("altered", f"{stored.object_key} decrypts to another file than was uploaded")
    return inspection


def _refuse(services: Services, claim: Claim, code: str, message: str) -> None:
    finding = {
        "code": code,
        "severity": "refuse",
        "count": 1,
        "sample": None,
        "message": message,
        "advice": "make a new revision and upload the file again",
    }
    document = {"verdict": "refuse", "findings": [finding], "geometry": None}
    with services.database.write() as session:
        row = lease.held(session, claim)
        if row is not None:
            row.state, row.inspection = RevisionState.REFUSED, document
            row.lease_owner = row.lease_until = None
            session.add(row)
    services.metrics.inspections.labels("refuse").inc()
    _log.info("inspected", revision=claim.revision_id, verdict="refuse", code=code)


def _conclude(
    services: Services, claim: Claim, row: Revision, inspection: Inspection, likeness: Fingerprint | None
) -> None:
    thumbnail = _keep_thumbnail(services, row, inspection)
    if thumbnail is None:
        _write_verdict(services, claim, inspection, likeness, None)
    else:
        with noting(services, thumbnail, claim.revision_id, "thumbnail_object"):
            _write_verdict(services, claim, inspection, likeness, thumbnail)
    services.metrics.inspections.labels(inspection.verdict).inc()
    codes = [found.code for found in inspection.findings if found.severity == "refuse"]
    _log.info("inspected", revision=claim.revision_id, verdict=inspection.verdict, codes=codes)


def _write_verdict(
    services: Services,
    claim: Claim,
    inspection: Inspection,
    likeness: Fingerprint | None,
    thumbnail: StoredObject | None,
) -> None:
    """Write what was found, if the claim still stands; the picture goes otherwise."""
    with services.database.write() as session:
        held = lease.held(session, claim)
        if held is not None:
            owner = session.get_one(Organisation, held.organisation_id)
            held.inspection, held.file_format = inspection.to_json(), inspection.format
            held.lease_owner = held.lease_until = None
            if thumbnail is not None:
                note_object(session, services, thumbnail, thumbnail_context(held))
                held.thumbnail_object = thumbnail.to_json()
            measured = inspection.geometry or inspection.toolpath
            if inspection.verdict == "pass" and measured is not None:
                salt = services.entropy(32)
                manifest.make_ready(held, address_of(owner), Custody.SERVICE, measured, salt)
            else:
                held.state = RevisionState.REFUSED
            session.add(held)
            if likeness is not None:
                similarity.keep(session, services, held, likeness)
    if held is None and thumbnail is not None:
        services.vault.discard(thumbnail)


def _keep_thumbnail(services: Services, row: Revision, inspection: Inspection) -> StoredObject | None:
    """Store the picture encrypted; without one the revision is as good."""
    if inspection.thumbnail_png is None:
        return None
    try:
        return services.vault.put(thumbnail_context(row), [inspection.thumbnail_png], THUMBNAIL_BYTES_MAX)
    except StorageError as error:
        _log.warning("thumbnail not kept", revision=row.id, error=error.kind)
        return None
