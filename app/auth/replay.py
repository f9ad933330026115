"""The store of proofs already seen: each `jti` counts once per printer."""

from __future__ import annotations

import hashlib

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete

from app.auth.dpop import Proof
from app.errors import Replayed
from app.models import SeenProof


def remember(session: Session, printer_id: str, proof: Proof, window_s: int) -> None:
    """Store the proof until `window_s` after it stops being good; Replayed where it was there already."""
    digest = hashlib.sha256(f"{printer_id}\x00{proof.jti}".encode()).digest()
    session.add(SeenProof(digest=digest, expires_at=proof.good_until + window_s))
    try:
        session.flush()
    except IntegrityError:
        raise Replayed(
            "the proof's jti was used before", field="DPoP", remedy="sign a fresh proof for each request"
        ) from None


def forget_expired(session: Session, now: int) -> int:
    """Drop proofs whose time window has passed; gives their number."""
    return session.exec(delete(SeenProof).where(col(SeenProof.expires_at) < now)).rowcount
