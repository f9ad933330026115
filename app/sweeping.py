"""Leftovers: expired tokens, redemptions nobody came back for, settled operations, unfinished shreddings,
orphaned objects.
"""

from __future__ import annotations

import structlog
from sqlmodel import Session, col, select

from app import idempotency, submission
from app.auth import replay
from app.designs import catalogue, publication
from app.designs.states import RevisionState
from app.fsck.quarantine import QUARANTINE
from app.licences import service as licences
from app.licences.states import LicenceState
from app.models import Licence, Print, Printer, Revision
from app.plates import release as plates
from app.printers import service as printers
from app.printers import succession
from app.printers.states import PrinterState
from app.prints import outcome, release
from app.prints.authorisation import expire_due
from app.prints.lifecycle import State
from app.shredding import destruction
from app.shredding import service as shreddings
from app.wiring import Services
from storage.errors import ObjectMissing, StorageError

ORPHAN_AGE_S = 2 * 24 * 3600
"""Twice the longest upload: an object in a bucket may be dated from when its upload began."""

OBJECTS_EVERY_S = 900
BATCH_ROWS_MAX = 200
_log = structlog.get_logger("app.worker")


class Sweeper:
    """Brings rows in line and clears away."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._objects_due = 0

    def sweep(self) -> bool:
        """Do everything once; always False, as there is nothing to hurry for."""
        self._conclude_prints()
        self._settle_rows()
        succession.retire_drained(self._services)
        destruction.finish_all(self._services)
        self._expire()
        now = self._services.clock.now()
        if now >= self._objects_due:
            self._objects_due = now + OBJECTS_EVERY_S
            self.sweep_objects()
        return False

    def sweep_objects(self) -> int:
        """Remove parts of interrupted puts, and old objects that no row knows; gives how many of these.

        Quarantined objects stay; and where a row's record cannot be read nothing is taken for forgotten.
        """
        services = self._services
        services.objects.sweep()
        names = [key for key in services.objects.list() if not key.startswith(QUARANTINE)]
        with services.database.read() as session:
            known = catalogue.read(session)
        if known.unreadable:
            _log.warning("objects not swept: a record cannot be read", row=known.unreadable[0].row)
            return 0
        orphans = [key for key in names if key not in known.keys and self._is_old(key)]
        for key in orphans:
            services.objects.delete(key)
        return len(orphans)

    def _is_old(self, key: str) -> bool:
        """Tell whether nobody can still be about to write the object's row."""
        try:
            modified_at = self._services.objects.stat(key).modified_at
        except ObjectMissing:
            return False  # another process swept it
        return self._services.clock.time() - modified_at.timestamp() > ORPHAN_AGE_S

    def _conclude_prints(self) -> None:
        """Release or refuse what the chain has decided while nobody waited."""
        with self._services.database.read() as session:
            query = select(Print).where(Print.state == State.REDEEMING).order_by(col(Print.redeemed_at))
            decided = [
                (row.id, row.plate_id)
                for row in session.exec(query.limit(BATCH_ROWS_MAX)).all()
                if row.record_operation
                and not self._services.ledger.watched(row.record_operation)
                and submission.status_of(session, row.record_operation).final
            ]
        for print_id in (print_id for print_id, plate_id in decided if plate_id is None):
            try:
                release.conclude(self._services, print_id)
            except StorageError as error:
                _log.warning("print not concluded", print=print_id, error=error.kind)
        for plate_id in {plate_id for _, plate_id in decided if plate_id is not None}:
            try:
                plates.conclude(self._services, plate_id)
            except StorageError as error:
                _log.warning("plate not concluded", plate=plate_id, error=error.kind)

    def _settle_rows(self) -> None:
        """Write down what reading would show anyway."""
        with self._services.database.read() as session:
            unsettled = _settle_all(session)
        if unsettled:
            with self._services.database.write() as session:
                _settle_all(session)

    def _expire(self) -> None:
        services = self._services
        with services.database.read() as session:
            now = submission.now(services, session)
            due = session.exec(
                select(Print.id)
                .where(Print.state == State.AUTHORISED)
                .where(col(Print.token_expires_at) <= now)
                .limit(1)
            ).first()
        if due is None and now < self._objects_due:
            return
        with services.database.write() as session:
            expire_due(session, now)
            replay.forget_expired(session, now)
            idempotency.forget_expired(session, now)
            shreddings.expire_due(session, services.clock.now())


def _settle_all(session: Session) -> bool:
    """Bring every row under way in line; tells whether one changed."""
    revisions = select(Revision).where(Revision.state == RevisionState.PUBLISHING)
    granted = select(Licence).where(col(Licence.state).in_([LicenceState.PENDING, LicenceState.REVOKING]))
    enrolled = select(Printer).where(col(Printer.state).in_([PrinterState.APPROVING, PrinterState.RETIRING]))
    reported = (
        select(Print).where(Print.state == State.REDEEMED).where(col(Print.outcome_operation).is_not(None))
    )
    for revision in session.exec(revisions.limit(BATCH_ROWS_MAX)).all():
        publication.settle(session, revision)
    for licence in session.exec(granted.limit(BATCH_ROWS_MAX)).all():
        licences.settle(session, licence)
    for printer in session.exec(enrolled.limit(BATCH_ROWS_MAX)).all():
        printers.settle(session, printer)
    for row in session.exec(reported.limit(BATCH_ROWS_MAX)).all():
        outcome.settle(session, row)
    return bool(session.dirty)
