"""The releases of a plate: all sealed and stored in the transaction that marks every print redeemed, or none.

What withholds one print withholds all: the chain has counted them, so their numbers are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from sqlmodel import Session

from app import submission
from app.errors import Conflict
from app.models import Print, Release
from app.plates import queries
from app.plates.refusal import Fault, rejected
from app.prints import case as cases
from app.prints import receipts, seals
from app.prints import release as singly
from app.prints.case import Case, Counts, claim_of
from app.prints.lifecycle import Event, State
from app.prints.release import Sealed
from app.prints.transition import apply
from app.wiring import Services
from ledger.operations import RecordPlate
from ledger.typed_data import Plate as PlateStatement

_log = structlog.get_logger("app.plates")


def body_of(session: Session, plate_id: str, prints: Sequence[Print]) -> bytes:
    """Give the answer's exact bytes: canonical JSON, made of the releases as they are stored.

    Raises TokenSpent where a design of it was shredded, Conflict where a release is missing.
    """
    bodies = [singly.body_of(session, row.id) for row in prints]
    if None in bodies:
        raise Conflict(
            f"plate {plate_id} is redeemed without all its releases", remedy="tell the service's operator"
        )
    joined = b",".join(body for body in bodies if body is not None)
    return b'{"plate_id":"' + plate_id.encode() + b'","releases":[' + joined + b"]}"


def settle(session: Session, prints: Sequence[Print]) -> None:
    """Bring a plate in line with the outbox where that needs no key: a rejected one refuses every print."""
    operation_id = prints[0].record_operation
    if operation_id is None or any(row.state != State.REDEEMING for row in prints):
        return
    status = submission.status_of(session, operation_id)
    if status.state == submission.REJECTED:
        rejected(session, status).note(prints)
        for row in prints:
            apply(session, row, Event.REFUSE)


def conclude(services: Services, plate_id: str) -> None:
    """Bring a redeeming plate to its end, if the chain has spoken.

    1. Rejected on chain: every print refused, their numbers are free again; the reason names the part.
    2. Confirmed, but licence, printer or design of one was withdrawn meanwhile, or a manifest changed: every
       print withheld, their numbers are used.
    3. Confirmed, says the outbox, but not for these very claims, or the chain has not consumed each number:
       nothing happens. Rows alone release no key; the chain may yet speak.
    4. Counted: seal each, store all, every print redeemed.
    """
    with services.database.read() as session:
        prints = queries.prints_of(session, plate_id)
        first = prints[0]
        if first.record_operation is None or any(row.state != State.REDEEMING for row in prints):
            return
        status = submission.status_of(session, first.record_operation)
        gathered = cases.gather_prints(services, session, [(row, Counts(None, None)) for row in prints])
        wraps = seals.wraps_of(session, [case.revision for case in gathered])
        refused = rejected(session, status) if status.state == submission.REJECTED else None
    # (1) the contract refused
    if refused is not None:
        _end(services, plate_id, Event.REFUSE, refused)
        return
    if status.state != submission.CONFIRMED:
        return
    counts = cases.ask_chain_of(services, {case.chain_names for case in gathered})
    told = [replace(case, counts=counts[case.chain_names]) for case in gathered]
    # (2) withdrawn meanwhile
    for part, case in enumerate(told):
        against = singly.withdrawn(case, services.ledger.domain)
        if against is not None:
            _end(services, plate_id, Event.WITHHOLD, Fault(against, part))
            return
    # (3) counted by the chain itself
    if not _counted(prints, told):
        _log.error("plate not released: the chain has not counted it", plate=plate_id)
        return
    # (4) sealed and stored
    with seals.Sealer(services, wraps) as sealer:
        made = [
            singly.sealed(services, sealer, row, case, receipts.of_part(status, len(prints), part))
            for part, (row, case) in enumerate(zip(prints, told, strict=True))
        ]
    _store(services, plate_id, told, made)


def _counted(prints: Sequence[Print], told: Sequence[Case]) -> bool:
    """(3) the outbox speaks of these claims, and the chain has consumed every number."""
    claims = [claim_of(row, case.licence) for row, case in zip(prints, told, strict=True)]
    claimed = f"{RecordPlate.kind}:0x{PlateStatement.of(claims).struct_hash().hex()}"
    consumed = all(case.counts.counted(row.sequence) for row, case in zip(prints, told, strict=True))
    return consumed and all(row.record_operation == claimed for row in prints)


def _store(services: Services, plate_id: str, told: Sequence[Case], made: Sequence[Sealed]) -> None:
    """Store the releases, unless something of one print was stopped since its key was unwrapped."""
    against: Fault | None = None
    with services.database.write() as session:
        prints = queries.prints_of(session, plate_id)
        if any(row.state != State.REDEEMING for row in prints):
            return
        stopped = singly.stoppages(session, told)
        for part, case in enumerate(told):
            found = stopped(case)
            if found is not None:
                against = against or Fault(found, part)
        if against is None:
            for row, release in zip(prints, made, strict=True):
                apply(session, row, Event.RELEASE)
                session.add(Release(**release._asdict()))
    if against is not None:
        _end(services, plate_id, Event.WITHHOLD, against)
        return
    services.metrics.releases.inc(len(made))
    _log.info("released", plate=plate_id, releases=[release.id for release in made])


def _end(services: Services, plate_id: str, event: Event, fault: Fault) -> None:
    """Refuse or withhold every print of the plate, for one reason; they have moved together until here."""
    with services.database.write() as session:
        prints = queries.prints_of(session, plate_id)
        if any(row.state != State.REDEEMING for row in prints):
            return
        fault.note(prints)
        for row in prints:
            apply(session, row, event)
    services.metrics.refusals.labels(fault.reason.code).inc()
    _log.warning("refused", plate=plate_id, code=fault.reason.code, transition=event)
