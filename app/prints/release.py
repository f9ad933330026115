"""Release: after the chain has counted the print, and not before, its data key is sealed to the printer.

The sealed key is stored in the transaction that marks the print redeemed; of two that conclude the same
print, one wins and the other finds its release.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import structlog
from sqlalchemy import bindparam, insert
from sqlmodel import Session, SQLModel, col, select

from app import submission
from app.auth import standing
from app.auth.standing import PRINTER_QUARANTINED
from app.encodings import to_hex
from app.errors import Conflict, IntegrityBroken, Reason, TokenSpent
from app.identifiers import RELEASE, new_id
from app.licences.states import LicenceState
from app.models import Design, Licence, Print, Printer, Release, Revision
from app.printers.states import PrinterState
from app.prints import case as cases
from app.prints import queries, seals, transition
from app.prints.case import Case, Counts, claim_of
from app.prints.lifecycle import Event, State
from app.prints.policy import DESIGN_SHREDDED, LICENCE_REVOKED, PRINTER_RETIRED
from app.prints.schemas import ReleasedObject
from app.prints.seals import Sealer
from app.prints.transition import apply
from app.wiring import Services
from ledger import outbox
from ledger.commitment import canonical_json
from ledger.operations import RecordPrint
from ledger.outbox import OperationStatus
from ledger.prepared import Prepared
from ledger.typed_data import Domain
from storage.envelope import ObjectContext
from storage.vault import StoredObject

_WITHDRAWN = {DESIGN_SHREDDED.code, LICENCE_REVOKED.code, PRINTER_RETIRED.code, PRINTER_QUARANTINED.code}


def _by_ids(id_: Any, value: Any) -> Prepared:
    chosen = select(id_, value).where(id_.in_(bindparam("ids", expanding=True)))
    return Prepared(chosen.order_by(id_).with_for_update(), "ids")


_KEEP = Prepared(insert(SQLModel.metadata.tables[str(Release.__tablename__)]))
_PRINTS = _by_ids(col(Print.id), col(Print.state))
_DESIGNS = _by_ids(col(Design.id), col(Design.shredded_at))
_LICENCES = _by_ids(col(Licence.id), col(Licence.state))
_PRINTERS = _by_ids(col(Printer.id), col(Printer.state))
_log = structlog.get_logger("app.prints")


class Sealed(NamedTuple):
    """A release that is not stored yet: a row of `Release`, column by column."""

    id: str
    print_id: str
    printer_id: str
    revision_id: str
    body: bytes
    created_at: int


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
    """Bring a redeeming print to its end, if the chain has spoken; see `conclude_all`."""
    for outcome in conclude_all(services, [print_id]).values():
        if isinstance(outcome, Exception):
            raise outcome


def conclude_all(services: Services, print_ids: Collection[str]) -> dict[str, bytes | Exception]:
    """Bring redeeming prints to their ends, where the chain has spoken.

    1. Rejected on chain: refused, its number is free again.
    2. Confirmed, but licence, printer or design was withdrawn meanwhile, or the manifest changed: withheld,
       the number is used.
    3. Confirmed, says the outbox, but not for this very claim, or the chain has not consumed its number:
       nothing happens. Rows alone release no key; the chain may yet speak.
    4. Counted: seal, store, redeemed.

    Gives the exact bytes of the releases made here, or what kept one from being made; of others, nothing.
    """
    confirmed: list[tuple[Print, OperationStatus]] = []
    with services.database.read() as session:
        under_way = _under_way(session, print_ids)
        confirmed = [each for each in under_way if each[1].state == submission.CONFIRMED]
        cases_ = cases.gather_prints(services, session, [(row, Counts(None, None)) for row, _ in confirmed])
        wraps_ = seals.wraps_of(session, [case.revision for case in cases_])
    # (1) the contract refused
    for row, status in under_way:
        if status.state == submission.REJECTED:
            _end(services, row.id, Event.REFUSE, submission.rejection(status))
    if not confirmed:
        return {}
    counts = cases.ask_chain_of(services, {case.chain_names for case in cases_})
    outcomes: dict[str, bytes | Exception] = {}
    made: list[tuple[Case, Sealed]] = []
    with seals.Sealer(services, wraps_) as sealer:
        for (row, status), seen in zip(confirmed, cases_, strict=True):
            case = replace(seen, counts=counts[seen.chain_names])
            try:
                release = _released(services, sealer, row, case, status)
            except Exception as error:  # noqa: BLE001 - one key that is not to be had holds up no other
                outcomes[row.id] = error
                continue
            if release is not None:
                made.append((case, release))
    return outcomes | (_store(services, made) if made else {})


def _under_way(session: Session, print_ids: Collection[str]) -> list[tuple[Print, OperationStatus]]:
    """Give the redeeming prints, and where their records stand."""
    rows = queries.by_ids(session, set(print_ids)).values()
    redeeming = [row for row in rows if row.state == State.REDEEMING]
    operations = [row.record_operation for row in redeeming if row.record_operation is not None]
    stand = {status.operation_id: status for status in outbox.statuses(session.connection(), operations)}
    return [(row, stand[row.record_operation]) for row in redeeming if row.record_operation in stand]


def _released(
    services: Services, sealer: Sealer, row: Print, case: Case, status: OperationStatus
) -> Sealed | None:
    """Seal what may be released now; None where it is withheld, or where the chain has yet to speak."""
    # (2) withdrawn meanwhile
    against = withdrawn(case, services.ledger.domain)
    if against is not None:
        _end(services, row.id, Event.WITHHOLD, against)
        return None
    # (3) counted by the chain itself
    if not _counted(case, row):
        _log.error("print not released: the chain has not counted it", print=row.id)
        return None
    # (4) sealed
    return sealed(services, sealer, row, case, status)


def withdrawn(case: Case, domain: Domain) -> Reason | None:
    """(2) recheck at release what may have changed since the number was asked for."""
    withdrawn = _withdrawal(case)
    if withdrawn is not None:
        return withdrawn
    try:
        case.require_intact(domain)
    except IntegrityBroken as error:
        return Reason("integrity", error.detail)
    return None


def _withdrawal(case: Case) -> Reason | None:
    return next((reason for reason in case.reasons() if reason.code in _WITHDRAWN), None)


def _counted(case: Case, row: Print) -> bool:
    """(3) the outbox speaks of this claim, and the chain has consumed its number, whatever the rows say."""
    claimed = f"{RecordPrint.kind}:{to_hex(claim_of(row, case.licence).struct_hash())}"
    return row.record_operation == claimed and case.counts.counted(row.sequence)


def sealed(services: Services, sealer: Sealer, row: Print, case: Case, status: OperationStatus) -> Sealed:
    """Seal the data key to the enrolled key, or take its owner's seal, and write the answer."""
    release_id = new_id(RELEASE, services.entropy)
    seal = sealer.seal_for(release_id, case)
    receipt = submission.receipt(status)
    assert receipt is not None  # noqa: S101  # a confirmed operation has one
    answer = {  # a `ReleaseView`
        "release_id": release_id,
        "print_id": row.id,
        "printer_hash": to_hex(case.printer.printer_hash or b""),
        "sealed_key": seal.key.model_dump(),
        "info": seal.info.decode(),
        "object": released_object(release_id, case.revision, *sealer.file_of(case.revision)).model_dump(),
        "manifest": case.revision.manifest or "",
        "salt": to_hex(case.revision.salt or b""),
        "commitment": to_hex(case.revision.commitment or b""),
        "licence": case.licence.statement,
        "receipt": receipt.model_dump(mode="json"),
    }
    return Sealed(
        id=release_id,
        print_id=row.id,
        printer_id=case.printer.id,
        revision_id=case.revision.id,
        body=canonical_json(answer),
        created_at=services.clock.now(),
    )


def released_object(
    release_id: str, revision: Revision, stored: StoredObject, context: ObjectContext
) -> ReleasedObject:
    """Say where a release's ciphertext is to be had, and what it must be."""
    return ReleasedObject(
        url=f"/v1/releases/{release_id}/object",
        sha256=to_hex(stored.ciphertext_sha256),
        bytes=stored.ciphertext_bytes,
        plaintext_sha256=to_hex(stored.plaintext_sha256),
        plaintext_bytes=stored.plaintext_bytes,
        filename=revision.filename or "",
        context=dict(context.to_json()),
    )


def _store(services: Services, made: Sequence[tuple[Case, Sealed]]) -> dict[str, bytes | Exception]:
    """Store releases, unless licence, design or printer was stopped since the key was unwrapped.

    Printers' rows are locked as `quarantine.place` locks them, licences and designs as whoever withdraws them
    does: whichever commits first is seen by the other.
    """
    stored: dict[str, bytes | Exception] = {}
    stopped: dict[str, Reason] = {}
    moved: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    with services.database.write() as session:
        states = _locked(session, _PRINTS, {release.print_id for _, release in made})
        against = stoppages(session, [case for case, _ in made])
        for case, release in made:
            print_id = release.print_id
            if states[print_id] != State.REDEEMING:
                continue
            reason = against(case)
            if reason is not None:
                stopped[print_id] = reason
                continue
            moved.append(transition.moved_from(print_id, states[print_id], Event.RELEASE))
            kept.append(release._asdict())
            stored[print_id] = release.body
        transition.store(session, moved)
        _KEEP.run(session.connection(), kept)
    for print_id, reason in stopped.items():
        _end(services, print_id, Event.WITHHOLD, reason)
    for _, release in made:
        if release.print_id in stored:
            services.metrics.releases.inc()
            _log.info("released", print=release.print_id, release=release.id, printer=release.printer_id)
    return stored


def stoppages(session: Session, of: Sequence[Case]) -> Callable[[Case], Reason | None]:
    """Read, under locks, what may have been stopped since the cases were gathered."""
    shredded = _locked(session, _DESIGNS, {case.design.id for case in of})
    licences = _locked(session, _LICENCES, {case.licence.id for case in of})
    printers = _locked(session, _PRINTERS, {case.printer.id for case in of})
    held = standing.held(session, set(printers))

    def against(case: Case) -> Reason | None:
        if shredded[case.design.id] is not None:
            return DESIGN_SHREDDED
        if case.printer.id in held:
            return PRINTER_QUARANTINED
        if licences[case.licence.id] in {LicenceState.REVOKING, LicenceState.REVOKED}:
            return LICENCE_REVOKED
        if printers[case.printer.id] in {PrinterState.RETIRING, PrinterState.RETIRED}:
            return PRINTER_RETIRED
        return None

    return against


def _locked(session: Session, query: Prepared, ids: Collection[str]) -> dict[str, Any]:
    """Read one column of rows by their ids, locked in the ids' order."""
    return dict(query.rows(session.connection(), ids=sorted(ids)))


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
