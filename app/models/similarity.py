"""Fingerprints of parts, and which part resembles another owner's."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.columns import time_field


class PartFingerprint(SQLModel, table=True):
    """The fingerprint of a revision whose key the service holds; it goes when the design is shredded.

    `vector` says something about the shape, so it is shown to nobody. `compared_at` is when it was held
    against the others.
    """

    __tablename__ = "part_fingerprints"

    revision_id: str = Field(primary_key=True, foreign_key="revisions.id")
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    vector: bytes
    created_at: int = time_field()
    compared_at: int | None = time_field(default=None)


class Resemblance(SQLModel, table=True):
    """A revision that is, or resembles, one of another organisation; for operators alone.

    `distance` is that of the fingerprints, `factor` how many times as large it is.
    """

    __tablename__ = "resemblances"
    __table_args__ = (UniqueConstraint("revision_id", "other_id"),)

    id: str = Field(primary_key=True)
    revision_id: str = Field(foreign_key="revisions.id")
    other_id: str = Field(foreign_key="revisions.id", index=True)
    distance: float
    factor: float
    same_file: bool
    created_at: int = time_field()
