"""Wrapped keys: one row for each secret the service keeps, found by the context it is bound to."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from app.models.columns import time_field


class WrappedSecret(SQLModel, table=True):
    """A data key or account key as its key back end wrapped it; the primary key is the wrap's context.

    Nothing else in the database can open anything: rotation rewrites this table, shredding deletes from it.
    """

    __tablename__ = "wrapped_keys"

    tenant: str = Field(primary_key=True)
    object_id: str = Field(primary_key=True)
    version: int = Field(primary_key=True, sa_type=BigInteger)
    kind: str = Field(primary_key=True)
    keyring: str
    key_version: str = Field(index=True)
    blob: bytes
    created_at: int = time_field()
