"""Licences: the signed statement, its openings, where its operations stand, and the keys it came with."""

from __future__ import annotations

from typing import Any

from sqlmodel import Field, SQLModel

from app.models.columns import json_field, time_field


class Licence(SQLModel, table=True):
    """A permission an owner signed; `statement` is the EIP-712 struct as JSON.

    Where its prints were transferred from another licence, `transferred_from` names that one and
    `grant_operation` is the transfer. `transfer_consent` is the owner's signature over a `TransferConsent`.
    """

    __tablename__ = "licences"

    id: str = Field(primary_key=True)
    owner_id: str = Field(foreign_key="organisations.id", index=True)
    provider_id: str = Field(foreign_key="organisations.id", index=True)
    revision_id: str = Field(foreign_key="revisions.id", index=True)
    state: str = Field(index=True)
    licence_hash: bytes = Field(unique=True)
    statement: dict[str, Any] = json_field()
    printers: list[str] = json_field()
    terms: str
    terms_salt: bytes
    prints: int
    reprints: int
    starts_at: int = time_field()
    expires_at: int = time_field()
    grant_operation: str
    revoke_operation: str | None = None
    transferred_from: str | None = Field(default=None, foreign_key="licences.id", index=True)
    transfer_consent: bytes | None = None
    created_at: int = time_field()


class LicenceKey(SQLModel, table=True):
    """The data key of an owner-held design, as its owner sealed it to one printer of one licence.

    `suite` and `blob` are HPKE's (docs/formats/sealed-key.md); nobody but that printer opens it.
    """

    __tablename__ = "licence_keys"

    licence_id: str = Field(primary_key=True, foreign_key="licences.id")
    printer_id: str = Field(primary_key=True, foreign_key="printers.id")
    suite: str
    blob: bytes
