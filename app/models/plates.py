"""Plates: prints that are built at once on one printer."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Plate(SQLModel, table=True):
    """Several prints that one token releases, all or none.

    What is true of each of its prints (state, number, times, redemption) stands in their rows alone.
    `token_sha256` is all that is kept of the token; `layout` has a spot for each part, in their order.
    """

    __tablename__ = "plates"

    id: str = Field(primary_key=True)
    printer_id: str = Field(foreign_key="printers.id", index=True)
    provider_id: str = Field(foreign_key="organisations.id", index=True)
    parts: int
    layout: list[dict[str, float]] = json_field()
    token_sha256: bytes = Field(unique=True)
    created_at: int = time_field()
