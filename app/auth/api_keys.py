"""API keys: made once, kept as SHA-256, compared in constant time."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sqlmodel import Session

from app.auth.principals import Principal, Role
from app.errors import Unauthenticated
from app.identifiers import API_KEY, Entropy, new_id
from app.models import ApiKey
from app.tokens import Token, key_id_of, new_api_key

_NO_DIGEST = bytes(32)


def issue(
    session: Session,
    organisation_id: str,
    name: str,
    roles: Iterable[Role],
    now: int,
    entropy: Entropy = secrets.token_bytes,
    created_by: str | None = None,
) -> tuple[ApiKey, Token]:
    """Add a key to an organisation; the token is shown once and never stored.

    `created_by` is the key that asks for it, None for the organisation's first.
    """
    key_id = new_id(API_KEY, entropy)
    token = new_api_key(key_id, entropy)
    row = ApiKey(
        id=key_id,
        organisation_id=organisation_id,
        name=name,
        roles=sorted(set(roles)),
        secret_sha256=token.digest(),
        created_at=now,
        created_by=created_by,
    )
    session.add(row)
    return row, token


def makers(session: Session, key_id: str) -> frozenset[str]:
    """Give the keys that made a key: the one it was made with, the one that one was made with, and so on."""
    found: set[str] = set()
    row = session.get(ApiKey, key_id)
    while row is not None and row.created_by is not None and row.created_by not in found:
        found.add(row.created_by)
        row = session.get(ApiKey, row.created_by)
    return frozenset(found)


def authenticate(session: Session, text: str) -> Principal:
    """Find whose key this is; Unauthenticated alike for an unknown, a wrong and a revoked key."""
    key_id = key_id_of(text)
    row = session.get(ApiKey, key_id) if key_id else None
    matches = Token(text).matches(row.secret_sha256 if row else _NO_DIGEST)
    if row is None or not matches or row.revoked_at is not None:
        raise Unauthenticated(
            "the API key is not valid", remedy="send Authorization: Bearer pv_… with a live key"
        )
    return Principal(row.organisation_id, row.id, frozenset(Role(role) for role in row.roles))
