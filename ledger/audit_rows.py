"""The ledger's own tables as claims for the audit: nothing in them may say other than the chain."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final, get_args

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from sqlalchemy import Connection, RowMapping, select

from ledger import tables
from ledger.audit import StoredRow
from ledger.calldata import batch_size
from ledger.errors import LedgerError
from ledger.facts import fact_of
from ledger.outbox import State, operation_in

_DATA: Final = 7
"""The place of the calldata among the fields of an EIP-1559 transaction."""


def stored_rows(connection: Connection) -> Iterator[StoredRow]:
    """Yield the rows of blocks, events, transactions in blocks and operations that are final.

    A row that cannot be read as what it should be is yielded as a claim the chain will not confirm.
    """
    for row in connection.execute(select(tables.blocks)).mappings():
        yield StoredRow(
            "ledger_blocks", str(row["number"]), _plain(row, "number"), place=(row["number"], None)
        )
    for row in connection.execute(select(tables.events)).mappings():
        place = (row["block_number"], row["log_index"])
        values = _plain(row) | {"body": _json(row["body"])}
        yield StoredRow("ledger_events", f"{place[0]}/{place[1]}", values, place=place)
    confirmed = tables.operations.c.state == "confirmed"
    for row in connection.execute(select(tables.operations).where(confirmed)).mappings():
        yield _operation(row)


def blocks_named(connection: Connection) -> set[int]:
    """Return the numbers of the blocks that rows speak of."""
    return set(connection.execute(select(tables.blocks.c.number)).scalars())


def misplaced_operations(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Yield what the outbox says of an operation against its event or its transaction: id, column, what."""
    signed = tables.transactions.c
    nonces = {row.hash: row.nonce for row in connection.execute(select(signed.hash, signed.nonce))}
    told = set(connection.execute(select(tables.events.c.fact)).scalars())
    for row in connection.execute(select(tables.operations)).mappings():
        name = row["operation_id"]
        if row["state"] != "confirmed":
            for problem in _unsettled(row, told):
                yield name, "state", problem
            continue
        if not row["settled"]:
            yield name, "settled", "says no, and the operation is final"
        if row["reason"] is not None:
            yield name, "reason", "tells why a confirmed operation was refused"
        if row["nonce"] is not None and nonces.get(row["tx_hash"], row["nonce"]) != row["nonce"]:
            yield name, "nonce", "is not that of its transaction"
    yield from _misplaced_items(connection)


def _unsettled(row: RowMapping, told: set[str]) -> Iterator[str]:
    """Yield what speaks against the state of an operation that is not confirmed."""
    state = row["state"]
    if state not in get_args(State):
        yield f"{state!r} is no state"
    if row["settled"]:
        yield f"is {state}, and the operation was final before: taken back by the chain, or altered"
    if row["fact"] in told and state not in ("pending", "sent", "rejected"):
        yield f"is {state}, and the event is there"
    if state == "pending" and row["nonce"] is not None:
        yield "is pending, and a transaction carries it"
    if state == "sent" and row["nonce"] is None:
        yield "is sent, and no transaction carries it"
    if state in ("pending", "sent") and row["reason"] is not None:
        yield f"is {state}, and there is a reason for which it was refused"
    if state == "rejected" and row["reason"] is None:
        yield "is rejected, and there is no reason"


def _misplaced_items(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Yield where operations do not fill the batch of the transaction that carried them, in its order."""
    operations, signed = tables.operations.c, tables.transactions.c
    mined = select(signed.nonce, signed.raw).where(signed.block_number.is_not(None))
    sizes = {row.nonce: batch_size(_fields(row.raw)[_DATA]) for row in connection.execute(mined)}
    columns = (operations.operation_id, operations.nonce, operations.item, operations.log_index)
    carried = select(*columns).where(operations.nonce.in_(mined.with_only_columns(signed.nonce)))
    rows = connection.execute(carried.order_by(operations.nonce, operations.item)).all()
    for nonce, group in groupby(rows, key=lambda row: row.nonce):
        before = -1
        for place, row in enumerate(items := list(group)):
            if row.item != place or len(items) != sizes[nonce]:
                problem = f"is {row.item}; nonce {nonce} carries {sizes[nonce]} and {len(items)} rows say so"
                yield row.operation_id, "item", problem
            if row.log_index is not None and row.log_index <= before:
                yield row.operation_id, "item", "is not where its event stands among those of the batch"
            before = before if row.log_index is None else row.log_index


def _operation(row: RowMapping) -> StoredRow:
    """Return an outbox row as a claim: what its body states, at the place its receipt says."""
    table, key = "ledger_operations", str(row["operation_id"])
    receipt = {
        "transaction": _hex(row["tx_hash"]),
        "block_number": row["block_number"],
        "block_hash": _hex(row["block_hash"]),
        "block_time": row["block_time"],
        "log_index": row["log_index"],
    }
    try:
        operation = operation_in(row["body"])
    except (LedgerError, ValueError):
        return StoredRow(table, key, receipt, fact="")
    if operation.operation_id != key or fact_of(operation) != row["fact"] or operation.kind != row["kind"]:
        return StoredRow(table, key, receipt, fact="")
    body = {name: value for name, value in operation.to_json().items() if name != "kind"}
    flat: dict[str, Any] = {}
    for name, value in body.items():
        flat |= value if isinstance(value, dict) else {name: value}
    if operation.kind == "revoke":
        flat = {"licence": operation.statement.to_json()["licence"], "signature": body["signature"]}
    return StoredRow(table, key, flat | receipt, fact=row["fact"])


def damaged_transactions(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Yield what of stored transactions is not as signed: hash, column, what is wrong.

    A transaction in a block must have a block that is indexed, where that one still is.
    """
    times = {row.number: row for row in connection.execute(select(tables.blocks))}
    embedded = connection.execute(select(tables.chain.c.embedded)).scalar()
    carriers = set(connection.execute(select(tables.operations.c.tx_hash)).scalars())
    signed = connection.execute(select(tables.transactions).order_by("nonce", "attempt")).mappings().all()
    yield from _misnumbered(signed)
    yield from _misplaced(connection, signed)
    after = 0
    for row in signed:
        name = _hex(row["hash"])
        if embedded and row["nonce"] > after:
            yield name, "nonce", f"is {row['nonce']}, and there is no transaction {after}"
        after = max(after, row["nonce"] + 1)
        if keccak(row["raw"]) != row["hash"]:
            yield name, "raw", "the bytes are not those of this transaction"
            continue
        for column, value in _signed(row["raw"]).items():
            if row[column] != value:
                yield name, column, f"says {row[column]}, what was signed says {value}"
        if (row["block_number"] is None) != (row["block_hash"] is None):
            yield name, "block_number, block_hash", "only one of them is there"
        block = times.get(row["block_number"])
        if block is not None and embedded and row["block_time"] != block.timestamp:
            yield name, "block_time", f"says {row['block_time']}, its block has {block.timestamp}"
        founds = embedded and row["nonce"] == 0
        if (founds or row["hash"] in carriers) and not row["succeeded"]:
            yield name, "succeeded", "says no, and what it carried is on the chain"
        if block is not None and block.hash != row["block_hash"]:
            yield name, "block_number, block_hash", "are not those of an indexed block"


def _misnumbered(signed: Sequence[RowMapping]) -> Iterator[tuple[str, str, str]]:
    """Yield the transactions, by nonce and attempt, that are not the next attempt of their nonce."""
    before = Counter[int]()
    for row in signed:
        nonce, attempt = row["nonce"], row["attempt"]
        if attempt != before[nonce]:
            yield _hex(row["hash"]), "attempt", f"is {attempt}, after {before[nonce]} of nonce {nonce}"
        before[nonce] += 1


def _misplaced(connection: Connection, signed: Sequence[RowMapping]) -> Iterator[tuple[str, str, str]]:
    """Yield the transactions that say they are in another block than the events they caused."""
    events = tables.events.c
    places = {
        row.tx_hash: row.block_number
        for row in connection.execute(select(events.tx_hash, events.block_number))
    }
    for row in signed:
        place = places.get(row["hash"], row["block_number"])
        if place != row["block_number"]:
            yield (
                _hex(row["hash"]),
                "block_number",
                f"is {row['block_number']}, its events are in block {place}",
            )


def _signed(raw: bytes) -> dict[str, int]:
    """Return what a signed transaction (EIP-1559) says of itself, by the columns that repeat it."""
    _, nonce, tip, max_fee, gas, *_ = _fields(raw)
    told = {"nonce": nonce, "tip": tip, "max_fee": max_fee, "gas": gas}
    return {column: int.from_bytes(value, "big") for column, value in told.items()}


def _fields(raw: bytes) -> list[bytes]:
    """Return the fields of a signed EIP-1559 transaction."""
    fields: list[bytes] = rlp.decode(raw[1:])
    return fields


def _plain(row: RowMapping, *without: str) -> dict[str, Any]:
    return {
        name: _hex(value) if isinstance(value, bytes) else value
        for name, value in row.items()
        if name not in without
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _hex(data: bytes | None) -> str:
    return "0x" + (data or b"").hex()
