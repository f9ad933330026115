"""Creating requests that may be repeated: the same Idempotency-Key names the same row, and never makes a
second.

The record is written in the transaction that creates the row. A secret that the first answer showed is kept
wrapped by the key back end for as long as the key is remembered, so that the repeat shows the same one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlmodel import Session, col, select

from app.custody import wraps
from app.errors import IdempotencyKeyReused
from app.models import IdempotencyRecord
from app.tokens import Token
from app.wiring import Services
from ledger.commitment import canonical_json
from storage.envelope import ObjectContext
from storage.secret import DataKey


@dataclass(frozen=True)
class Attempt:
    """A creating request: who sends it, under which key (None: not repeatable), and what it asks for."""

    organisation_id: str
    key: str | None
    fingerprint: bytes


@dataclass(frozen=True)
class Made:
    """The row a request made, now or the first time; `secret` is what its answer shows once."""

    row_id: str
    secret: Token | None
    repeated: bool


def attempt(organisation_id: str, key: str | None, route: str, body: object) -> Attempt:
    """Describe a request; `body` is its JSON."""
    fingerprint = hashlib.sha256(route.encode() + b"\x00" + canonical_json(body)).digest()
    return Attempt(organisation_id, key, fingerprint)


def recall(session: Session, services: Services, request: Attempt) -> Made | None:
    """Find what the same request made before; IdempotencyKeyReused for another request under its key."""
    record = _find(session, request)
    if record is None or record.expires_at <= services.clock.now():
        return None
    if record.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(
            "this Idempotency-Key was sent before with a different request",
            field="Idempotency-Key",
            remedy="send a new key for a new request",
        )
    return Made(record.row_id, _open(session, services, record), repeated=True)


def keep(
    session: Session, services: Services, request: Attempt, row_id: str, secret: Token | None = None
) -> Made:
    """Remember what the request made, in the transaction that makes it."""
    if request.key is None:
        return Made(row_id, secret, repeated=False)
    stale = _find(session, request)
    if stale is not None:
        _forget(session, stale)
        session.flush()
    if secret is not None:
        _close(session, services, request.organisation_id, row_id, secret)
    record = IdempotencyRecord(
        organisation_id=request.organisation_id,
        key=request.key,
        fingerprint=request.fingerprint,
        row_id=row_id,
        secret_prefix=_split(secret)[0] if secret else None,
        expires_at=services.clock.now() + services.settings.idempotency_ttl_s,
    )
    session.add(record)
    return Made(row_id, secret, repeated=False)


def forget_expired(session: Session, now: int) -> int:
    """Drop records whose time is over, and the wrapped secrets with them; gives their number."""
    expired = session.exec(select(IdempotencyRecord).where(col(IdempotencyRecord.expires_at) <= now)).all()
    for record in expired:
        _forget(session, record)
    return len(expired)


def _find(session: Session, request: Attempt) -> IdempotencyRecord | None:
    if request.key is None:
        return None
    query = select(IdempotencyRecord).where(
        IdempotencyRecord.organisation_id == request.organisation_id, IdempotencyRecord.key == request.key
    )
    return session.exec(query).first()


def _context(organisation_id: str, row_id: str) -> ObjectContext:
    return ObjectContext(tenant=organisation_id, object_id=row_id, version=1, kind="once-shown")


def _forget(session: Session, record: IdempotencyRecord) -> None:
    wraps.forget(session, _context(record.organisation_id, record.row_id))
    session.delete(record)


def _split(secret: Token) -> tuple[str, str]:
    """Give what stands before the 32 random bytes in the text, which is no secret, and these in hex."""
    return secret.reveal()[:-64], secret.reveal()[-64:]


def _close(session: Session, services: Services, organisation_id: str, row_id: str, secret: Token) -> None:
    context = _context(organisation_id, row_id)
    with DataKey(bytes.fromhex(_split(secret)[1])) as key:
        wrapped = services.keys.wrap(key, context)
    wraps.keep(session, services.keys, context, wrapped, services.clock.now())


def _open(session: Session, services: Services, record: IdempotencyRecord) -> Token | None:
    if record.secret_prefix is None:
        return None
    context = _context(record.organisation_id, record.row_id)
    with services.keys.unwrap(wraps.get(session, context), context) as key:
        return Token(record.secret_prefix + key.reveal().hex())
