"""Who holds a design's data keys: the service, wrapped, or its owner alone.

The choice is made with the design and inherited by its revisions. Every manifest says it, so that once a
commitment is published nobody can turn the one into the other.
"""

from __future__ import annotations

import json
from enum import StrEnum
from functools import lru_cache

from sqlmodel import Session

from app.errors import Conflict, IntegrityBroken
from app.models import Design, Revision


class Custody(StrEnum):
    """service: the service keeps each data key wrapped; owner: it never has one."""

    SERVICE = "service"
    OWNER = "owner"


_TAKEN_BY = {
    Custody.SERVICE: "upload the file with PUT /v1/revisions/{id}/file",
    Custody.OWNER: "encrypt it yourself, upload it with PUT /v1/revisions/{id}/ciphertext, then declare it",
}


def custody_of(session: Session, revision: Revision) -> Custody:
    """Give a revision's custody: its manifest's, which was committed to, or before that its design's.

    Raises IntegrityBroken where the manifest names none.
    """
    if revision.manifest is None:
        return Custody(session.get_one(Design, revision.design_id).custody)
    return committed_custody(revision)


def committed_custody(revision: Revision) -> Custody:
    """Give the custody that the revision's manifest names; IntegrityBroken where it names none."""
    try:
        return _named(revision.manifest or "")
    except (ValueError, KeyError, TypeError):
        raise IntegrityBroken(
            f"the manifest of revision {revision.id} does not say who holds its key",
            field="manifest",
            remedy="restore the service's data",
        ) from None


@lru_cache(maxsize=512)
def _named(manifest: str) -> Custody:
    """Read it out of a manifest; remembered, as every print asks."""
    return Custody(json.loads(manifest)["custody"])


def require_custody(session: Session, revision: Revision, needed: Custody) -> None:
    """Refuse, as a Conflict, what belongs to designs of the other custody."""
    found = custody_of(session, revision)
    if found != needed:
        raise Conflict(
            f"revision {revision.id} belongs to a design of custody {found}, this is for custody {needed}",
            field="custody",
            remedy=_TAKEN_BY[found].format(id=revision.id),
        )
