"""What the ledger looks like in answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.encodings import JsonObject, Receipt


class EndpointView(BaseModel):
    """An RPC endpoint of several. `trouble` is why it has no vote now.

    `outvoted` counts how often the others said otherwise from `outvoted_since` to `outvoted_last`, without an
    hour's pause; `said` is what each said the last time.
    """

    endpoint: str
    trouble: str | None
    outvoted: int
    outvoted_since: str | None
    outvoted_last: str | None
    said: str | None


class LedgerView(BaseModel):
    """Which ledger this service writes to, and how far it has come. `endpoints`, and a `reason` in full, are
    for the operator.
    """

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
    restarts: int
    endpoints: list[EndpointView] = []


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
