"""Designs and their immutable revisions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Design(SQLModel, table=True):
    """An owner's part; from `shredded_at` on its keys are destroyed and nothing new is made of it.

    `custody` says who holds its data keys, `service` or `owner`, for good.
    """

    __tablename__ = "designs"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    name: str
    description: str = ""
    custody: str = "service"
    created_at: int = time_field()
    shredded_at: int | None = time_field(default=None)


class Revision(SQLModel, table=True):
    """One version of a design; while `inspecting` the row is also the worker's job, claimed by a lease.

    `file_object` and `thumbnail_object` say where the ciphertext lies and what it must be; where the owner
    holds the key, `file_object` comes before the owner has declared what the ciphertext holds.
    """

    __tablename__ = "revisions"
    __table_args__ = (UniqueConstraint("design_id", "number"),)

    id: str = Field(primary_key=True)
    design_id: str = Field(foreign_key="designs.id", index=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    number: int
    state: str = Field(index=True)
    recipe: dict[str, Any] = json_field()
    filename: str | None = None
    file_format: str | None = None
    file_bytes: int | None = Field(default=None, sa_type=BigInteger)
    file_sha256: bytes | None = None
    file_object: dict[str, Any] | None = json_field(default=None)
    thumbnail_object: dict[str, Any] | None = json_field(default=None)
    file_version: int | None = None
    upload_version: int = 0
    inspection: dict[str, Any] | None = json_field(default=None)
    lease_owner: str | None = None
    lease_until: float | None = None
    attempts: int = 0
    manifest: str | None = None
    salt: bytes | None = None
    commitment: bytes | None = None
    revision_hash: bytes | None = Field(default=None, unique=True)
    publish_operation: str | None = None
    created_at: int = time_field()
