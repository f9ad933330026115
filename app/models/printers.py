"""Printers and their enrolment."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Printer(SQLModel, table=True):
    """A provider's machine; its keys come from enrolment and never change."""

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
    created_at: int = time_field()
