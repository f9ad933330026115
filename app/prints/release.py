"""Release: after the chain has counted the print, and not before, its data key is sealed to the printer.

The sealed key is stored in the transaction that marks the print redeemed; of two that conclude the same
print, one wins and the other finds its release.
"""

from __future__ import annotations

import hashlib

import structlog
from sqlmodel import Session, select

from app import submission
from app.auth.standing import PRINTER_QUARANTINED, open_quarantine
from app.designs.stored import file_of
from app.encodings import to_hex
from app.errors import Conflict, IntegrityBroken, Reason, TokenSpent
from app.identifiers import RELEASE, new_id
from app.models import Design, Licence, Print, Printer, Release, Revision
from app.prints import case as cases
from app.prints.case import Case, claim_of
from app.prints.lifecycle import Event, State
from app.prints.policy import DESIGN_SHREDDED
from app.prints.schemas import ReleasedObject, ReleaseView
from app.prints.seals import seal_for
from app.prints.transition import apply
from app.wiring import Services
from ledger.commitment import canonical_json
from ledger.operations import RecordPrint
from ledger.outbox import OperationStatus
from ledger.typed_data import Domain

_log = structlog.get_logger("app.prints")


def body_of(session: Session, print_id: str) -> bytes | None:
    """Give the release's exact bytes, None where there is none; TokenSpent where its design was shredded."""
    row = session.exec(select(Release).where(Release.print_id == print_id)).first()
    if row is not None and row.body is None:
        raise TokenSpent(
            f"release {row.id} holds no key any more: {DESIGN_SHREDDED.message}",
            reasons=[DESIGN_SHREDDED],
            remedy="ask the design's owner",
        )
    return row.body if row is not None else None


def conclude(services: Services, print_id: str) -> None:
    """Bring a redeeming print to its end, if the chain has spoken.

    1. Rejected on chain: refused, its number is free again.
    2. Confirmed, but licence, printer or design was withdrawn meanwhile, or the manifest changed: withheld,
       the number is used.
    3. Confirmed, says the outbox, but not for this very claim, or the chain has not consumed its number:
       nothing happens. Rows alone release no key; the chain may yet speak.
    4. Counted: seal, store, redeemed.
    """
    with services.database.read() as session:
        row = session.get_one(Print, print_id)
        if row.state != State.REDEEMING or row.record_operation is None:
            return
        status = submission.status_of(session, row.record_operation)
        licence, printer = session.get_one(Licence, row.licence_id), session.get_one(Printer, row.printer_id)
    # (1) the contract refused
    if status.state == submission.REJECTED:
        _end(services, print_id, Event.REFUSE, submission.rejection(status))
        return
    if status.state != submission.CONFIRMED:
        return
    counts = cases.ask_chain(services, licence.licence_hash, printer.printer_hash)
    with services.database.read() as session:
        case = cases.gather_print(services, session, row, counts)
    # (2) withdrawn meanwhile
    against = _withdrawn(case, services.ledger.domain)
    if against is not None:
        _end(services, print_id, Event.WITHHOLD, against)
        return
    # (3) counted by the chain itself
    if not _counted(case, row):
        _log.error("print not released: the chain has not counted it", print=print_id)
        return
    # (4) sealed and stored
    _store(services, row, _sealed(services, row, case, status))


def _withdrawn(case: Case, domain: Domain) -> Reason | None:
    """Recheck at release what may have changed since the number was asked for."""
    codes = {DESIGN_SHREDDED.code, "licence_revoked", "printer_retired", PRINTER_QUARANTINED.code}
    for reason in case.reasons():
        if reason.code in codes:
            return reason
    try:
        case.require_intact(domain)
    except IntegrityBroken as error:
        return Reason("integrity", error.detail)
    return None


def _counted(case: Case, row: Print) -> bool:
    """(3) the outbox speaks of this claim, and the chain has consumed its number, whatever the rows say."""
    claimed = f"{RecordPrint.kind}:{to_hex(claim_of(row, case.licence).struct_hash())}"
    return row.record_operation == claimed and case.counts.counted(row.sequence)


def _sealed(services: Services, row: Print, case: Case, status: OperationStatus) -> Release:
    """Seal the data key to the enrolled key, or take its owner's seal, and write the answer."""
    release_id = new_id(RELEASE, services.entropy)
    seal = seal_for(services, release_id, case)
    receipt = submission.receipt(status)
    assert receipt is not None  # noqa: S101  # a confirmed operation has one
    view = ReleaseView(
        release_id=release_id,
        print_id=row.id,
        printer_hash=to_hex(case.printer.printer_hash or b""),
        sealed_key=seal.key,
        info=seal.info.decode(),
        object=released_object(release_id, case.revision),
        manifest=case.revision.manifest or "",
        salt=to_hex(case.revision.salt or b""),
        commitment=to_hex(case.revision.commitment or b""),
        licence=case.licence.statement,
        receipt=receipt,
    )
    return Release(
        id=release_id,
        print_id=row.id,
        printer_id=case.printer.id,
        revision_id=case.revision.id,
        body=canonical_json(view.model_dump(mode="json")),
        created_at=services.clock.now(),
    )


def released_object(release_id: str, revision: Revision) -> ReleasedObject:
    """Say where a release's ciphertext is to be had, and what it must be."""
    stored, context = file_of(revision)
    return ReleasedObject(
        url=f"/v1/releases/{release_id}/object",
        sha256=to_hex(stored.ciphertext_sha256),
        bytes=stored.ciphertext_bytes,
        plaintext_sha256=to_hex(stored.plaintext_sha256),
        plaintext_bytes=stored.plaintext_bytes,
        filename=revision.filename or "",
        context=dict(context.to_json()),
    )


def _store(services: Services, seen: Print, made: Release) -> None:
    """Store the release, unless design or printer was stopped since the key was unwrapped.

    The printer's row is locked as `quarantine.place` locks it: whichever commits first is seen by the other.
    """
    with services.database.write() as session:
        row = session.get_one(Print, seen.id, with_for_update=True)
        if row.state != State.REDEEMING:
            return
        revision = session.get_one(Revision, made.revision_id)
        design = session.get_one(Design, revision.design_id, with_for_update=True)
        session.get_one(Printer, row.printer_id, with_for_update=True)
        against = DESIGN_SHREDDED if design.shredded_at is not None else None
        if open_quarantine(session, row.printer_id) is not None:
            against = against or PRINTER_QUARANTINED
        if against is None:
            apply(session, row, Event.RELEASE)
            session.add(made)
    if against is not None:
        _end(services, seen.id, Event.WITHHOLD, against)
        return
    services.metrics.releases.inc()
    _log.info("released", print=seen.id, release=made.id, printer=seen.printer_id)


def _end(services: Services, print_id: str, event: Event, reason: Reason) -> None:
    with services.database.write() as session:
        row = session.get_one(Print, print_id, with_for_update=True)
        if row.state != State.REDEEMING:
            return
        row.reasons = [reason.to_json()]
        apply(session, row, event)
    services.metrics.refusals.labels(reason.code).inc()
    _log.warning("refused", print=print_id, code=reason.code, transition=event)


def revision_of(session: Session, release: Release) -> Revision:
    """Give the revision whose object a release hands over; Conflict where its design was shredded."""
    if release.body is None:
        raise Conflict(
            f"the object of release {release.id} is gone: {DESIGN_SHREDDED.message}",
            reasons=[DESIGN_SHREDDED],
            remedy="ask the design's owner",
        )
    return session.get_one(Revision, release.revision_id)


def destroy_keys(session: Session, revision_id: str) -> dict[str, str]:
    """Destroy the sealed key of every release of a revision; gives the SHA-256 of each answer destroyed."""
    query = select(Release).where(Release.revision_id == revision_id).with_for_update()
    destroyed = {}
    for row in session.exec(query).all():
        if row.body is not None:
            destroyed[row.id] = hashlib.sha256(row.body).hexdigest()
            row.body = None
            session.add(row)
    return destroyed
