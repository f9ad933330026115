"""The ledger's tables: the outbox, signed transactions, the index of the chain, leases.

SQLAlchemy Core, one `MetaData` that the application's migrations take in. Hashes are stored as bytes, JSON as
canonical text, times as Unix seconds. `ledger_operations`, `ledger_transactions` and `ledger_chain` are the
truth that the embedded chain is rebuilt from; `ledger_blocks` and `ledger_events` repeat what the chain says.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData()
READ_ONLY: Final = "partvault_read_only"
"""Execution option of connections that only read; an engine may begin IMMEDIATE on SQLite without it."""
_POSITION: Final = BigInteger().with_variant(Integer, "sqlite")

chain: Final = Table(
    "ledger_chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("contract", String(42), nullable=False),
    Column("code_hash", LargeBinary(32), nullable=True),
    Column("first_block", BigInteger, nullable=False),
    Column("embedded", Boolean, nullable=False),
    Column("genesis_time", BigInteger, nullable=True),
)
"""One row: the contract this database belongs to. A node that serves another is refused. `code_hash`
(Keccak-256) is empty until the embedded chain has run for the first time."""

operations: Final = Table(
    "ledger_operations",
    metadata,
    Column("position", _POSITION, primary_key=True, autoincrement=True),
    Column("operation_id", String(96), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("fact", String(160), nullable=False),
    Column("state", String(16), nullable=False),
    Column("appended_at", Float, nullable=False),
    Column("nonce", BigInteger, nullable=True),
    Column("item", Integer, nullable=True),
    Column("tx_hash", LargeBinary(32), nullable=True),
    Column("block_number", BigInteger, nullable=True),
    Column("block_hash", LargeBinary(32), nullable=True),
    Column("block_time", BigInteger, nullable=True),
    Column("log_index", Integer, nullable=True),
    Column("reason", Text, nullable=True),
    Column("settled", Boolean, nullable=False, default=False),
    Column("reverts", Integer, nullable=False, default=0),
    Index("ledger_operations_state", "state", "position"),
    Index("ledger_operations_fact", "fact"),
    Index("ledger_operations_nonce", "nonce", "item"),
    Index("ledger_operations_block", "block_number"),
)
"""The outbox. `fact` is what the chain's event will say (`ledger.facts`); `nonce` and `item` say which
transaction carries it and where in its batch; `settled` stays true once it was confirmed, also through a
reorg; `reverts` counts the batches that ran out of gas under it."""

transactions: Final = Table(
    "ledger_transactions",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("nonce", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("block_time", BigInteger, nullable=False),
    Column("max_fee", BigInteger, nullable=False),
    Column("tip", BigInteger, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("signed_at", Float, nullable=False),
    Column("block_number", BigInteger, nullable=True),
    Column("block_hash", LargeBinary(32), nullable=True),
    Column("succeeded", Boolean, nullable=True),
    UniqueConstraint("nonce", "attempt", name="ledger_transactions_nonce_attempt"),
    Index("ledger_transactions_block", "block_number"),
)
"""Signed bytes, stored before they are sent; every hash a nonce ever had. On the embedded chain `block_time`
is the time its block carries, decided here before the block exists, so a replay makes the same block
again."""

blocks: Final = Table(
    "ledger_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("parent", LargeBinary(32), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
)
"""The blocks indexed: all near the head, further back those that hold events."""

events: Final = Table(
    "ledger_events",
    metadata,
    Column("block_number", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("tx_hash", LargeBinary(32), nullable=False),
    Column("name", String(32), nullable=False),
    Column("fact", String(160), nullable=False),
    Column("licence", LargeBinary(32), nullable=True),
    Column("printer", LargeBinary(32), nullable=True),
    Column("revision", LargeBinary(32), nullable=True),
    Column("print", LargeBinary(32), nullable=True),
    Column("body", Text, nullable=False),
    Index("ledger_events_licence", "licence", "block_number", "log_index"),
    Index("ledger_events_printer", "printer"),
    Index("ledger_events_fact", "fact"),
    Index(
        "ledger_events_print",
        "print",
        "name",
        sqlite_where=text("print IS NOT NULL"),
        postgresql_where=text("print IS NOT NULL"),
    ),
)
"""The contract's events; `body` is the event's members as canonical JSON, `print` the name of the print that
a `PrintRecorded` or an `OutcomeRecorded` is about."""

leases: Final = Table(
    "ledger_leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", Float, nullable=False),
)
"""Who leads: one holder a name until `expires_at`."""


def reading(engine: Engine) -> Engine:
    """Return the engine for transactions that only read."""
    return engine.execution_options(**{READ_ONLY: True})
