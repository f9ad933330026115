"""Organisations, their accounts and API keys."""

from __future__ import annotations

from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Organisation(SQLModel, table=True):
    """A party; the key of a managed account is a wrapped key of kind `account`."""

    __tablename__ = "organisations"

    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    roles: list[str] = json_field()
    account_type: str | None = None
    address: str | None = Field(default=None, unique=True)
    created_at: int = time_field()


class ApiKey(SQLModel, table=True):
    """An API key of an organisation; only the SHA-256 of its text is kept.

    `created_by` is the key of the same organisation that made it, None for the organisation's first.
    """

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    name: str
    roles: list[str] = json_field()
    secret_sha256: bytes
    created_at: int = time_field()
    created_by: str | None = Field(default=None, foreign_key="api_keys.id")
    revoked_at: int | None = time_field(default=None)
