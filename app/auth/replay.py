"""The store of proofs already seen: each `jti` counts once per printer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import bindparam, insert
from sqlmodel import Session, SQLModel, col, delete, select

from app.auth.dpop import Proof
from app.errors import Replayed
from app.models import SeenProof
from ledger.prepared import Prepared

_TABLE = SQLModel.metadata.tables[SeenProof.__tablename__]
_KNOWN = Prepared(
    select(_TABLE.c.digest).where(_TABLE.c.digest.in_(bindparam("digests", expanding=True))), "digests"
)
_REMEMBER = Prepared(insert(_TABLE))


def remember(session: Session, proofs: Sequence[tuple[str, Proof]], window_s: int) -> list[bool]:
    """Store proofs by printer until `window_s` after they stop being good; tells of each whether it is new.

    Of a proof that comes twice in `proofs` only the first is. Where another process stores the same one at
    the same moment, the transaction fails as a Conflict: repeated, it finds it.
    """
    if not proofs:
        return []
    digests = [
        hashlib.sha256(f"{printer_id}\x00{proof.jti}".encode()).digest() for printer_id, proof in proofs
    ]
    connection = session.connection()
    known = {digest for (digest,) in _KNOWN.rows(connection, digests=digests)}
    fresh, rows = [], []
    for digest, (_, proof) in zip(digests, proofs, strict=True):
        fresh.append(digest not in known)
        if fresh[-1]:
            known.add(digest)
            rows.append({"digest": digest, "expires_at": proof.good_until + window_s})
    _REMEMBER.run(connection, rows)
    return fresh


def replayed() -> Replayed:
    """The answer to a proof that was used before."""
    return Replayed(
        "the proof's jti was used before", field="DPoP", remedy="sign a fresh proof for each request"
    )


def forget_expired(session: Session, now: int) -> int:
    """Drop proofs whose time window has passed; gives their number."""
    return session.exec(delete(SeenProof).where(col(SeenProof.expires_at) < now)).rowcount
