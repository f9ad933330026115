"""Quarantines of printers, open and lifted."""

from __future__ import annotations

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.models.columns import time_field

_OPEN = "lifted_at IS NULL"


class Quarantine(SQLModel, table=True):
    """A stop of one printer until it is lifted; a printer has at most one that is open.

    `placed_by` and `lifted_by` are ids of API keys; one `by_operator` is the operator's to lift.
    """

    __tablename__ = "quarantines"
    __table_args__ = (
        Index(
            "uq_quarantines_open",
            "printer_id",
            unique=True,
            sqlite_where=text(_OPEN),
            postgresql_where=text(_OPEN),
        ),
    )

    id: str = Field(primary_key=True)
    printer_id: str = Field(foreign_key="printers.id", index=True)
    reason: str
    by_operator: bool
    placed_by: str
    placed_at: int = time_field()
    lifted_by: str | None = None
    lifted_at: int | None = time_field(default=None)
