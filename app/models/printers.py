"""Printers and their enrolment."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Printer(SQLModel, table=True):
    """A provider's machine under one pair of keys; they come from enrolment and never change.

    Where keys rotate, the same machine has another row: `predecessor_id` names the one before, whose key made
    `succession_signature`, and `successor_id` the one after, once that is enrolled. `attestation` is the
    device's evidence for its keys as it was sent, and whether its endorsement key vouched for it.
    """

    __tablename__ = "printers"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    name: str
    machine: dict[str, Any] = json_field()
    state: str = Field(index=True)
    code_sha256: bytes | None = Field(default=None, unique=True)
    code_expires_at: int | None = time_field(default=None)
    key_x: bytes | None = None
    key_y: bytes | None = None
    sealing_suite: str | None = None
    sealing_public: bytes | None = None
    possession_signature: bytes | None = None
    sealing_signature: bytes | None = None
    printer_hash: bytes | None = Field(default=None, unique=True)
    enrol_operation: str | None = None
    retire_operation: str | None = None
    predecessor_id: str | None = Field(default=None, foreign_key="printers.id", index=True)
    successor_id: str | None = None
    succession_signature: bytes | None = None
    attestation: dict[str, Any] | None = json_field(default=None)
    created_at: int = time_field()
