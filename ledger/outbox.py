"""The outbox: operations written in the transaction that causes them, carried to the chain by the relay.

`append` never talks to the chain; what it wrote is sent if, and only if, the caller's transaction commits.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import dialect as SQLiteDialect  # noqa: N812
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from ledger.abi import encode_call
from ledger.errors import LedgerError
from ledger.facts import compact_json, fact_of
from ledger.operations import Operation, from_json
from ledger.prepared import Prepared
from ledger.recent import Recent
from ledger.tables import operations

State: TypeAlias = Literal["pending", "sent", "mined", "confirmed", "rejected"]
FINAL: Final = frozenset({"confirmed", "rejected"})
_APPENDED: Final = ("operation_id", "kind", "body", "fact", "state", "appended_at", "settled", "reverts")
_APPEND: Final = insert_postgresql(operations).on_conflict_do_nothing(index_elements=["operation_id"])
_APPEND_SQLITE: Final = str(
    insert_sqlite(operations)
    .on_conflict_do_nothing(index_elements=["operation_id"])
    .compile(dialect=SQLiteDialect(), column_keys=_APPENDED)
)
"""Compiled once: every print passes here, and half of its time went into SQLAlchemy's execution."""
_calldata: Final = Recent[bytes]()
"""By the body of a row: the same operation may be signed twice, and only the first body counts."""
_fresh: Final = Recent[bool]()
_STATUS: Final = select(operations).where(operations.c.operation_id == bindparam("wanted"))

_STANDING: Final = (
    "operation_id", "kind", "state", "tx_hash", "block_number", "block_hash", "block_time", "log_index",
    "reason",
)  # fmt: skip
_STATUSES: Final = Prepared(
    select(*(operations.c[name] for name in _STANDING))
    .where(operations.c.operation_id.in_(bindparam("wanted", expanding=True)))
    .order_by(operations.c.position),
    "wanted",
)


class UnknownOperation(LedgerError):  # noqa: N818 - named as the thing asked for
    """No operation of this identifier was ever appended here."""

    kind = "operation_unknown"


@dataclass(frozen=True)
class OperationStatus:
    """Where an operation stands.

    `pending`: not yet signed. `sent`: signed, stored and handed over, perhaps received. `mined`: in a block
    that is not yet deep enough. `confirmed` and `rejected` are final, a reorg past finality excepted. The
    receipt's fields are set from `mined` on, `reason` (the contract's error as a dictionary) when rejected.
    """

    operation_id: str
    kind: str
    state: State
    tx_hash: bytes | None = None
    block_number: int | None = None
    block_hash: bytes | None = None
    block_time: int | None = None
    log_index: int | None = None
    reason: dict[str, Any] | None = None

    @property
    def final(self) -> bool:
        """Whether the chain has spoken."""
        return self.state in FINAL

    def receipt(self) -> dict[str, Any] | None:
        """Return the receipt as evidence and the API give it, None before there is one."""
        if self.tx_hash is None or self.block_hash is None:
            return None
        return {
            "transaction": "0x" + self.tx_hash.hex(),
            "block_number": self.block_number,
            "block_hash": "0x" + self.block_hash.hex(),
            "block_time": self.block_time,
            "log_index": self.log_index,
        }


def append(connection: Connection, operation: Operation) -> str:
    """Write an operation into the outbox, in the caller's transaction; return its identifier.

    Appending the same statement again, in whatever state the first one is, changes nothing.
    """
    operation_id = operation.operation_id
    body = compact_json(operation.to_json())
    row = (operation_id, operation.kind, body, fact_of(operation), "pending", time.time(), False, 0)
    if connection.dialect.name == "sqlite":
        done = connection.exec_driver_sql(_APPEND_SQLITE, row)
    else:
        done = connection.execute(_APPEND, dict(zip(_APPENDED, row, strict=True)))
    if done.rowcount == 1:
        _calldata.put(body, encode_call(operation))
        _fresh.put(operation_id, True)
    return operation_id


def calldata_in(body: str) -> bytes:
    """Return the calldata of the operation that a row carries."""
    return _calldata.take(body) or encode_call(operation_in(body))


def take_fresh(operation_id: str) -> bool:
    """Return, the first time it is asked, whether this process appended the operation a moment ago.

    Its transaction may not be committed, or be rolled back.
    """
    return _fresh.take(operation_id) is not None


def status(connection: Connection, operation_id: str) -> OperationStatus:
    """Return where an operation stands; UnknownOperation if it was never appended."""
    row = connection.execute(_STATUS, {"wanted": operation_id}).mappings().first()
    if row is None:
        raise UnknownOperation(f"no operation {operation_id} in the outbox; append it first")
    return status_of(row)


def statuses(connection: Connection, operation_ids: Sequence[str]) -> list[OperationStatus]:
    """Return where the operations stand that there are, in the order they were appended."""
    rows = _STATUSES.rows(connection, wanted=list(operation_ids)) if operation_ids else ()
    return [status_of(dict(zip(_STANDING, row, strict=True))) for row in rows]


def status_of(row: Mapping[Any, Any]) -> OperationStatus:
    """Read a row of `ledger_operations`."""
    return OperationStatus(
        operation_id=row["operation_id"],
        kind=row["kind"],
        state=cast("State", row["state"]),
        tx_hash=row["tx_hash"],
        block_number=row["block_number"],
        block_hash=row["block_hash"],
        block_time=row["block_time"],
        log_index=row["log_index"],
        reason=None if row["reason"] is None else json.loads(row["reason"]),
    )


def operation_in(body: str) -> Operation:
    """Read the operation that a row carries."""
    return from_json(json.loads(body))
