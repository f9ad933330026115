"""The destruction itself, in an order that leaves nothing openable at any moment after its confirmation.

1. One transaction: confirmed, the design marked, every key deleted that could open anything of it, and the
   record of all that is destroyed. From here on nothing opens, whatever fails afterwards.
2. The objects are deleted from the store.
3. The database's old pages are made to go.
4. Only then the shredding is finished. The worker takes up whatever stopped between 1 and 4.
"""

from __future__ import annotations

import hashlib
from typing import Any

import structlog
from sqlmodel import Session, col, select

from app.designs import catalogue, similarity
from app.designs.catalogue import Kept
from app.designs.states import RevisionState
from app.errors import AppError
from app.licences import sealed_keys
from app.models import Design, Revision, Shredding, WrappedSecret
from app.prints import release
from app.shredding import traces
from app.shredding.lifecycle import Event, State, after
from app.wiring import Services
from storage.errors import StorageError

_UNFINISHED = {RevisionState.DRAFT, RevisionState.INSPECTING, RevisionState.READY}
_log = structlog.get_logger("app.shredding")


def destroy_keys(session: Session, row: Shredding, now: int) -> None:
    """Step 1, within the caller's transaction; the row is a request whose confirmation was decided on."""
    design = session.get_one(Design, row.design_id, with_for_update=True)
    query = select(Revision).where(Revision.design_id == design.id).order_by(col(Revision.number))
    revisions = session.exec(query.with_for_update()).all()
    known = catalogue.of_design(session, design.id)
    row.record = {
        "revisions": [_destroy(session, revision, known.objects) for revision in revisions],
        "unreadable": [f"{broken.row} {broken.column}" for broken in known.unreadable],
    }
    row.state, row.confirmed_at = after(State(row.state), Event.CONFIRM), now
    similarity.forget(session, [revision.id for revision in revisions])
    design.shredded_at = now
    session.add_all([row, design])


def finish(services: Services, shredding_id: str) -> bool:
    """Steps 2 to 4 of a confirmed shredding; tells whether it is finished now.

    May be done again at any time, also by several at once. Raises `StoreUnavailable`, Unavailable, and what
    the database raises.
    """
    with services.database.read() as session:
        row = session.get_one(Shredding, shredding_id)
        keys = catalogue.of_design(session, row.design_id).keys
    if row.state == State.CONFIRMED:
        # (2) the objects
        for key in sorted(keys):
            services.objects.delete(key)
        # (3) the old pages
        traces.erase(services.database)
        # (4) the end
        return _finish(services, shredding_id)
    return row.state == State.SHREDDED


def finish_all(services: Services) -> None:
    """Finish what was confirmed and then stopped, for the worker; a failure waits for the next time."""
    with services.database.read() as session:
        stopped = session.exec(select(Shredding.id).where(Shredding.state == State.CONFIRMED)).all()
    for shredding_id in stopped:
        try:
            finish(services, shredding_id)
        except (AppError, StorageError) as error:
            _log.warning("shredding not finished", shredding=shredding_id, error=error.kind)


def _finish(services: Services, shredding_id: str) -> bool:
    with services.database.write() as session:
        row = session.get_one(Shredding, shredding_id, with_for_update=True)
        if row.state != State.CONFIRMED:
            return row.state == State.SHREDDED
        row.state, row.finished_at = after(State(row.state), Event.FINISH), services.clock.now()
        session.add(row)
    _log.warning(
        "design shredded",
        shredding=row.id,
        design=row.design_id,
        requested_by=row.requested_by,
        confirmed_by=row.confirmed_by,
    )
    return True


def _destroy(session: Session, revision: Revision, objects: tuple[Kept, ...]) -> dict[str, Any]:
    """Delete every key of one revision, refuse it where it is unfinished, and say what there was."""
    answers = release.destroy_keys(session, revision.id)
    record = {
        "revision": revision.id,
        "objects": [_object(item) for item in objects if item.revision_id == revision.id],
        "wrapped_keys": _delete_wraps(session, revision),
        "releases": [{"id": name, "answer_sha256": digest} for name, digest in sorted(answers.items())],
        "owner_sealed_keys": sealed_keys.destroy(session, revision.id),
    }
    if revision.state in _UNFINISHED:
        revision.state = RevisionState.REFUSED
        revision.lease_owner = revision.lease_until = None
        session.add(revision)
    return record


def _object(item: Kept) -> dict[str, Any]:
    stored = item.stored
    return {
        "column": item.column,
        "object_key": stored.object_key,
        "ciphertext_sha256": stored.ciphertext_sha256.hex(),
        "ciphertext_bytes": stored.ciphertext_bytes,
    }


def _delete_wraps(session: Session, revision: Revision) -> list[dict[str, Any]]:
    """Delete every wrapped key of the revision, of whatever version and kind; gives what each was."""
    query = select(WrappedSecret).where(
        WrappedSecret.tenant == revision.organisation_id, WrappedSecret.object_id == revision.id
    )
    query = query.order_by(col(WrappedSecret.version), col(WrappedSecret.kind))
    record = []
    for wrap in session.exec(query.with_for_update()).all():
        record.append(
            {
                "version": wrap.version,
                "kind": wrap.kind,
                "keyring": wrap.keyring,
                "key_version": wrap.key_version,
                "sha256": hashlib.sha256(wrap.blob).hexdigest(),
            }
        )
        session.delete(wrap)
    return record
