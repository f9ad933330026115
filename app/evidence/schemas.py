"""What the ledger looks like in answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.encodings import JsonObject, Receipt


class LedgerView(BaseModel):
    """Which ledger this service writes to, and how far it has come."""

    chain_id: int
    contract: str
    code_hash: str
    head: int
    indexed: int
    finalised: int
    lag_blocks: int
    pending: int
    embedded: bool
    ok: bool
    reason: str | None


class EventView(BaseModel):
    """An event of the contract."""

    name: str
    block_number: int
    log_index: int
    transaction: str
    licence_hash: str | None
    printer_hash: str | None
    revision_hash: str | None
    body: Any


class OperationView(BaseModel):
    """Where an operation stands."""

    operation_id: str
    kind: str
    state: str
    receipt: Receipt | None
    reason: JsonObject | None
