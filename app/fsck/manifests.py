"""Manifests against the rows: does each revision still say what its owner committed to?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlmodel import Session, col, select

from app.accounts.signing import address_of
from app.designs.manifest import require_intact
from app.designs.states import RevisionState
from app.errors import AppError
from app.fsck.report import Finding, Problem
from app.models import Organisation, Revision
from storage.errors import StorageError

_COMMITTED = (RevisionState.READY, RevisionState.PUBLISHING, RevisionState.PUBLISHED)
_RESTORE = "restore the row from a backup, and find out who wrote to the database"


def committed(session: Session) -> Sequence[Revision]:
    """Give the revisions that have a manifest to stand by."""
    return session.exec(select(Revision).where(col(Revision.state).in_(_COMMITTED))).all()


def broken(session: Session, revisions: Iterable[Revision]) -> Iterator[Finding]:
    """Yield the revisions whose manifest, salt, commitment and file no longer agree."""
    for row in revisions:
        name = f"revisions {row.id}"
        owner = session.get(Organisation, row.organisation_id)
        if owner is None:
            reason = f"there is no organisation {row.organisation_id}"
            yield Finding(Problem.MANIFEST, name, "organisation_id", reason, _RESTORE)
            continue
        try:
            require_intact(row, address_of(owner))
        except AppError as error:
            yield Finding(Problem.MANIFEST, name, error.field or "manifest", error.detail, _RESTORE)
        except StorageError as error:
            yield Finding(Problem.MANIFEST, name, "file_object", str(error), _RESTORE)
