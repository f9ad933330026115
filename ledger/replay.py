"""Rebuilding the embedded chain from the stored transactions, and proving that it is the same chain again.

Each stored transaction becomes one block at the time stored with it. The node is deterministic, so blocks
come out with the hashes they had; that, every stored event and every counter is compared before the chain
serves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, select

from ledger import tables
from ledger.abi import decode_query, encode_query, is_print_ledger
from ledger.chain import Chain, RefusedError
from ledger.errors import LedgerError
from ledger.facts import event_of, fact_in
from ledger.identity import ChainIdentity, check_node
from ledger.indexer import IndexedEvent

_PAGE_BLOCKS: Final = 200


class ReplayMismatch(LedgerError):  # noqa: N818 - it names what was found
    """The rebuilt chain and the database disagree: one of them was altered. Nothing may be issued until it is
    known why.

    `row` names the row at fault.
    """

    kind = "ledger_mismatch"

    def __init__(self, row: str, problem: str) -> None:
        super().__init__(f"{row}: {problem}; restore the database from a backup or run the audit")
        self.row = row


def replay(chain: Chain, engine: Engine) -> int:
    """Send every stored transaction in the order of nonces; return how many there were.

    Raises ReplayMismatch if a nonce is missing or the node does not take one.
    """
    expected = 0
    for row in _stored_transactions(engine):
        if row["nonce"] != expected:
            raise ReplayMismatch(f"ledger_transactions nonce {expected}", "the signed transaction is missing")
        try:
            chain.send(row["raw"], time=row["block_time"])
        except RefusedError as refusal:
            raise ReplayMismatch(f"ledger_transactions nonce {expected}", str(refusal)) from refusal
        expected += 1
    return expected


def _stored_transactions(engine: Engine) -> Iterator[RowMapping]:
    """Yield the transactions a page at a time, so that no read stays open while the node works."""
    table, nonce = tables.transactions, -1
    while True:
        wanted = select(table.c.nonce, table.c.raw, table.c.block_time).where(
            table.c.attempt == 0, table.c.nonce > nonce
        )
        with tables.reading(engine).connect() as connection:
            page = connection.execute(wanted.order_by(table.c.nonce).limit(_PAGE_BLOCKS)).mappings().all()
        if not page:
            return
        yield from page
        nonce = page[-1]["nonce"]


def verify(chain: Chain, engine: Engine, identity: ChainIdentity, replayed: int) -> bytes:
    """Compare the rebuilt chain with everything stored about it; return the contract's code.

    1. As many blocks as transactions, and the contract's code is the one pinned.
    2. Every indexed block has its hash, parent and time.
    3. Every indexed event is on the chain with the same members, and between indexed blocks there is no
    other. 4. The contract's counters equal what the events add up to.

    Raises ReplayMismatch naming the first row that differs.
    """
    # (1): the contract
    code = chain.code(identity.contract)
    if not is_print_ledger(code):
        raise ReplayMismatch("ledger_transactions nonce 0", "the deployment makes no print ledger")
    check_node(identity, chain.chain_id(), code)
    head = chain.head().number
    if head != replayed:
        raise ReplayMismatch("ledger_transactions", f"{replayed} transactions made {head} blocks")
    with tables.reading(engine).connect() as connection:
        # (2): the blocks
        indexed = _verify_blocks(chain, connection)
        # (3): the events
        for first in range(1, indexed + 1, _PAGE_BLOCKS):
            _verify_events(chain, connection, identity, first, min(first + _PAGE_BLOCKS - 1, indexed))
    # (4): the counters
    _verify_counters(chain, identity, head)
    return code


def _verify_blocks(chain: Chain, connection: Connection) -> int:
    """Compare the indexed blocks; return the number of the newest, 0 without any."""
    newest = 0
    while True:
        wanted = select(tables.blocks).where(tables.blocks.c.number > newest).order_by(tables.blocks.c.number)
        rows = connection.execute(wanted.limit(_PAGE_BLOCKS)).mappings().all()
        if not rows:
            return newest
        for row, header in zip(rows, chain.headers([row["number"] for row in rows]), strict=True):
            name = f"ledger_blocks {row['number']}"
            if header is None:
                raise ReplayMismatch(name, "the replay did not reach this block")
            for field in ("hash", "parent", "timestamp"):
                if row[field] != getattr(header, field):
                    raise ReplayMismatch(f"{name}.{field}", "the replay made another block")
        newest = rows[-1]["number"]


def _verify_events(
    chain: Chain, connection: Connection, identity: ChainIdentity, first: int, last: int
) -> None:
    within = tables.events.c.block_number.between(first, last)
    stored = {
        (row["block_number"], row["log_index"]): dict(row)
        for row in connection.execute(select(tables.events).where(within)).mappings()
    }
    for log in chain.logs(identity.contract, first, last):
        event = event_of(log)
        actual = IndexedEvent(log, 0, event, fact_in(event)).row()
        _compare_event(stored.pop((log.block_number, log.index), None), actual)
    for block_number, log_index in stored:
        raise ReplayMismatch(f"ledger_events {block_number}/{log_index}", "is not on the rebuilt chain")


def _compare_event(stored: dict[str, Any] | None, actual: dict[str, Any]) -> None:
    name = f"ledger_events {actual['block_number']}/{actual['log_index']}"
    if stored is None:
        raise ReplayMismatch(name, "is on the rebuilt chain but not in the database")
    for field, value in actual.items():
        if stored[field] != value:
            raise ReplayMismatch(f"{name}.{field}", "differs from the rebuilt chain")


def _verify_counters(chain: Chain, identity: ChainIdentity, head: int) -> None:
    used: Counter[bytes] = Counter()
    credited: Counter[bytes] = Counter()
    for first in range(1, head + 1, _PAGE_BLOCKS):
        for log in chain.logs(identity.contract, first, min(first + _PAGE_BLOCKS - 1, head)):
            event = event_of(log)
            licence = getattr(event, "licence", None)
            if licence is None:
                continue
            used[licence] += type(event).__name__ == "PrintRecorded"
            credited[licence] += bool(getattr(event, "credited", False))
    for licence in used:
        answer = chain.call(identity.contract, encode_query("licenceState", licence))
        state = decode_query("licenceState", answer)[0]
        if (state[6], state[5]) != (used[licence], credited[licence]):
            raise ReplayMismatch(f"licence 0x{licence.hex()}", "its counters differ from its events")
