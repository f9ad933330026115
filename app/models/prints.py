"""Prints and what was released for them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Print(SQLModel, table=True):
    """One authorised build.

    `holds_sequence` is true from authorisation until the number is free again; two prints of a licence that
    hold numbers never hold the same one. `token_sha256` is all that is kept of the token. A print of a plate
    names it and its place on it, `plate_part` from 0; it has no token of its own (`ledger.commitment`).
    """

    __tablename__ = "prints"
    __table_args__ = (
        Index(
            "uq_prints_held_sequence",
            "licence_id",
            "sequence",
            unique=True,
            sqlite_where=text("holds_sequence"),
            postgresql_where=text("holds_sequence"),
        ),
        Index("ix_prints_due", "state", "token_expires_at"),
    )

    id: str = Field(primary_key=True)
    licence_id: str = Field(foreign_key="licences.id", index=True)
    printer_id: str = Field(foreign_key="printers.id", index=True)
    owner_id: str = Field(foreign_key="organisations.id", index=True)
    provider_id: str = Field(foreign_key="organisations.id", index=True)
    state: str
    sequence: int
    holds_sequence: bool = True
    token_sha256: bytes = Field(unique=True)
    token_expires_at: int = time_field()
    deadline: int = time_field()
    redeem_key: str | None = None
    redeemed_at: int | None = time_field(default=None)
    record_operation: str | None = None
    reasons: list[dict[str, str]] = json_field(default_factory=list)
    outcome: dict[str, Any] | None = json_field(default=None)
    report: str | None = None
    report_salt: bytes | None = None
    outcome_operation: str | None = None
    plate_id: str | None = Field(default=None, foreign_key="plates.id", index=True)
    plate_part: int | None = None
    created_at: int = time_field()


class Release(SQLModel, table=True):
    """What a redemption handed over: the answer, byte for byte, with the sealed key in it.

    `body` is None from when the design was shredded.
    """

    __tablename__ = "releases"

    id: str = Field(primary_key=True)
    print_id: str = Field(foreign_key="prints.id", unique=True)
    printer_id: str = Field(foreign_key="printers.id", index=True)
    revision_id: str = Field(foreign_key="revisions.id", index=True)
    body: bytes | None = None
    created_at: int = time_field()


class PartSerial(SQLModel, table=True):
    """A serial number on a piece of a design, and the completed print whose report has it."""

    __tablename__ = "part_serials"

    design_id: str = Field(primary_key=True, foreign_key="designs.id")
    serial: str = Field(primary_key=True)
    print_id: str = Field(foreign_key="prints.id", index=True)
