"""Alarms about printers' credentials, and where each was last used."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.columns import time_field


class Alarm(SQLModel, table=True):
    """One kind of impossible use of one printer in one hour, counted: so an attacker cannot fill the disk.

    `hour` is whole hours since 1970; `detail` tells of the latest use and holds no secret.
    """

    __tablename__ = "alarms"
    __table_args__ = (UniqueConstraint("printer_id", "kind", "hour"),)

    id: str = Field(primary_key=True)
    printer_id: str = Field(foreign_key="printers.id")
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    kind: str
    hour: int
    count: int
    detail: str
    first_at: int = time_field()
    last_at: int = time_field()


class Sighting(SQLModel, table=True):
    """Where a printer last used a print token: one row a printer."""

    __tablename__ = "sightings"

    printer_id: str = Field(primary_key=True, foreign_key="printers.id")
    print_id: str
    address: str
    seen_at: int = time_field()
