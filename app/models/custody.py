"""Wrapped keys: one row for each secret the service keeps, found by the context it is bound to; and what
became of the key versions they are wrapped under.
"""

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


class KeyRotation(SQLModel, table=True):
    """A rotation, from the intent to the last wrap; app/custody/stages.py tells its life."""

    __tablename__ = "key_rotations"

    id: str = Field(primary_key=True)
    keyring: str
    from_version: str
    to_version: str | None = None
    state: str
    rewrapped: int = 0
    unopened: int = 0
    """Wraps that did not open when a run last came to its end."""
    started_at: int = time_field()
    finished_at: int | None = time_field(default=None)


class KeyDestruction(SQLModel, table=True):
    """A key version that was to be destroyed: written before it is, and completed after."""

    __tablename__ = "key_destructions"

    keyring: str = Field(primary_key=True)
    version: str = Field(primary_key=True)
    verified: int
    """Wraps that opened under other versions beforehand."""
    begun_at: int = time_field()
    destroyed_at: int | None = time_field(default=None)
