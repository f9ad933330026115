"""Shreddings: the record of who had which design's keys destroyed, and what was destroyed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field

_OPEN = "state IN ('requested', 'confirmed')"


class Shredding(SQLModel, table=True):
    """One destruction of a design's keys and objects; a design has at most one that is under way.

    `requested_by`, `confirmed_by` and `withdrawn_by` are ids of API keys. `record` names, revision by
    revision, the wrapped keys, sealed keys and objects that were destroyed; it is written before any of them
    is, and outlives them.
    """

    __tablename__ = "shreddings"
    __table_args__ = (
        Index(
            "uq_shreddings_open",
            "design_id",
            unique=True,
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
    )

    id: str = Field(primary_key=True)
    design_id: str = Field(foreign_key="designs.id", index=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    reason: str
    state: str = Field(index=True)
    requested_by: str
    requested_at: int = time_field()
    expires_at: int = time_field()
    confirmed_by: str | None = None
    confirmed_at: int | None = time_field(default=None)
    withdrawn_by: str | None = None
    finished_at: int | None = time_field(default=None)
    record: dict[str, Any] | None = json_field(default=None)
