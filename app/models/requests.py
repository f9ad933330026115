"""What the service remembers of requests: idempotency keys and the proofs it has seen."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.columns import time_field


class IdempotencyRecord(SQLModel, table=True):
    """One creating request: a repeat with the same key names the same row.

    Of a once-shown secret the text's prefix stands here, its random part is a wrapped key of kind
    `once-shown`.
    """

    __tablename__ = "idempotency_records"
    __table_args__ = (UniqueConstraint("organisation_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    organisation_id: str
    key: str
    fingerprint: bytes
    row_id: str
    secret_prefix: str | None = None
    expires_at: int = time_field(index=True)


class SeenProof(SQLModel, table=True):
    """A DPoP proof that was used, until its time window has passed."""

    __tablename__ = "seen_proofs"

    digest: bytes = Field(primary_key=True)
    expires_at: int = time_field(index=True)
