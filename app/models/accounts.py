"""Organisations, their accounts and API keys, and the service's own wrapped secrets."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Organisation(SQLModel, table=True):
    """A party; `account_key` is the wrapped secp256k1 key of a managed account."""

    __tablename__ = "organisations"

    id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    roles: list[str] = json_field()
    account_type: str | None = None
    address: str | None = Field(default=None, unique=True)
    account_key: dict[str, Any] | None = json_field(default=None)
    created_at: int = time_field()


class ApiKey(SQLModel, table=True):
    """An API key of an organisation; only the SHA-256 of its text is kept."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    name: str
    roles: list[str] = json_field()
    secret_sha256: bytes
    created_at: int = time_field()
    revoked_at: int | None = time_field(default=None)


class ServiceSecret(SQLModel, table=True):
    """A secret of the service itself (the relay's account), wrapped by the key back end."""

    __tablename__ = "service_secrets"

    name: str = Field(primary_key=True)
    wrapped: dict[str, Any] = json_field()
    created_at: int = time_field()
