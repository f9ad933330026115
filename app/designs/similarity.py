"""Uploads that are, or closely resemble, another owner's part: found, recorded, and told to operators alone.

A fingerprint is made in the sandbox with the inspection and kept in the transaction of its verdict. After
that it is held against those of all other organisations. Nothing of it reaches an owner: neither what it is
told nor when depends on what others have uploaded. A design whose owner holds the key has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from sqlmodel import Session, col, delete, select

from app.designs.recipe import gate_policy
from app.designs.stored import openable_file_of
from app.identifiers import RESEMBLANCE, new_id
from app.models import PartFingerprint, Resemblance, Revision
from app.wiring import Services
from mesh_tools.errors import Refused
from mesh_tools.fingerprint.asked import ask_fingerprint

if TYPE_CHECKING:
    from mesh_tools.fingerprint.vector import Fingerprint

FLAGS_MAX = 20
_ROWS = 4096
_log = structlog.get_logger("app.designs")


def fingerprint_of(services: Services, row: Revision) -> Fingerprint | None:
    """Make the fingerprint of a revision's file; None where the file or its limits do not allow one.

    Raises SandboxUnavailable, and what opening the file raises.
    """
    with services.database.read() as session:
        stored, context = openable_file_of(session, row)
    source = services.vault.open(stored, context)
    try:
        return ask_fingerprint(services.sandbox, source, row.filename or "", gate_policy(row.recipe).unit_mm)
    except Refused as refusal:
        _log.warning("no fingerprint", revision=row.id, code=refusal.code)
        return None


def keep(session: Session, services: Services, row: Revision, made: Fingerprint) -> None:
    """Keep a revision's fingerprint, in the transaction of its verdict; it waits to be compared."""
    now = services.clock.now()
    session.add(
        PartFingerprint(
            revision_id=row.id, organisation_id=row.organisation_id, vector=made.to_bytes(), created_at=now
        )
    )


def forget(session: Session, revision_ids: Sequence[str]) -> None:
    """Delete the fingerprints of revisions whose design is shredded; what was flagged stays on record."""
    session.exec(delete(PartFingerprint).where(col(PartFingerprint.revision_id).in_(revision_ids)))


def compare_waiting(services: Services) -> None:
    """Compare every fingerprint that waits with those of all other organisations, and record what resembles.

    What two workers keep at the same time at least one of them sees, since each compares after its commit.
    """
    with services.database.read() as session:
        waiting = session.exec(
            select(PartFingerprint).where(col(PartFingerprint.compared_at).is_(None))
        ).all()
    for row in waiting:
        with services.database.read() as session:
            found = _alike(session, row)
        with services.database.write() as session:
            _record(session, services, row.revision_id, found)


def _alike(session: Session, row: PartFingerprint) -> list[tuple[str, float, float]]:
    """The nearest of other organisations within the threshold: revision, distance, factor of size."""
    import numpy as np

    from mesh_tools.fingerprint.vector import RESEMBLES, Fingerprint, distances

    own = Fingerprint.from_bytes(row.vector)
    query = (
        select(PartFingerprint.revision_id, PartFingerprint.vector)
        .where(PartFingerprint.organisation_id != row.organisation_id)
        .execution_options(yield_per=_ROWS)
    )
    found = []
    for part in session.exec(query).partitions():
        table = np.frombuffer(b"".join(vector for _, vector in part), "<f4").reshape(len(part), -1)
        apart = distances(own, table)
        for at in np.flatnonzero(apart <= RESEMBLES).tolist():
            factor = Fingerprint(table[at]).factor(own)
            found.append((part[at][0], float(apart[at]), factor))
    return sorted(found, key=lambda one: one[1])[:FLAGS_MAX]


def _record(
    session: Session, services: Services, revision_id: str, found: list[tuple[str, float, float]]
) -> None:
    """Write what resembles; nothing where another worker did, or the design was shredded meanwhile."""
    row = session.get(PartFingerprint, revision_id, with_for_update=True)
    if row is None or row.compared_at is not None:
        return
    row.compared_at = services.clock.now()
    session.add(row)
    own = session.get_one(Revision, revision_id)
    for other, distance, factor in found:
        same = session.get_one(Revision, other).file_sha256 == own.file_sha256
        session.add(
            Resemblance(
                id=new_id(RESEMBLANCE, services.entropy),
                revision_id=revision_id,
                other_id=other,
                distance=distance,
                factor=factor,
                same_file=same,
                created_at=row.compared_at,
            )
        )
        _log.warning("part resembles another owner's", revision=revision_id, other=other, distance=distance)
