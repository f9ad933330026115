"""Rebuilding the embedded chain from the stored transactions, and proving that it is the same chain again.

Each stored transaction becomes one block at the time stored with it. The node is deterministic, so blocks
come out with the hashes they had; that, every stored event and every counter is compared before the chain
serves. Where a sealed snapshot proves the older part, only what came after it is replayed and compared.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, case, func, or_, select

from ledger import tables
from ledger.abi import artifact, decode_query, encode_query, is_print_ledger
from ledger.chain import Chain, RefusedError
from ledger.errors import LedgerError
from ledger.facts import event_of, fact_in
from ledger.identity import ChainIdentity, check_node
from ledger.indexer import IndexedEvent

_PAGE_BLOCKS: Final = 200
_COUNTED_AT_ONCE: Final = 1000


class ReplayMismatch(LedgerError):  # noqa: N818 - it names what was found
    """The rebuilt chain and the database disagree: one of them was altered. Nothing may be issued until it is
    known why.

    `row` names the row at fault.
    """

    kind = "ledger_mismatch"

    def __init__(self, row: str, problem: str) -> None:
        super().__init__(f"{row}: {problem}; restore the database from a backup or run the audit")
        self.row = row


def stored_blocks(engine: Engine) -> int:
    """Return how many blocks the stored transactions make; ReplayMismatch if more than those are indexed."""
    with tables.reading(engine).connect() as connection:
        nonce, block = connection.execute(
            select(
                select(func.max(tables.transactions.c.nonce)).scalar_subquery(),
                select(func.max(tables.blocks.c.number)).scalar_subquery(),
            )
        ).one()
    made = 0 if nonce is None else int(nonce) + 1
    if block is not None and block > made:
        raise ReplayMismatch(f"ledger_blocks {block}", "no stored transaction makes this block")
    return made


def replay(
    chain: Chain, engine: Engine, *, above: int, head: int, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Send the stored transactions that make the blocks after `above` up to `head`, in the order of nonces.

    `advance` is told of each block. Raises ReplayMismatch if a nonce is missing or the node does not take
    one.
    """
    expected = above
    for row in _stored_transactions(engine, above, head):
        if row["nonce"] != expected:
            break
        try:
            chain.send(row["raw"], time=row["block_time"])
        except RefusedError as refusal:
            _verify_blocks(chain, engine, above, expected)  # a block before it may be the reason
            raise ReplayMismatch(f"ledger_transactions nonce {expected}", str(refusal)) from refusal
        expected += 1
        advance(1)
    if expected != head:
        raise ReplayMismatch(f"ledger_transactions nonce {expected}", "the signed transaction is missing")


def _stored_transactions(engine: Engine, first: int, below: int) -> Iterator[RowMapping]:
    """Yield the transactions a page at a time, so that no read stays open while the node works."""
    table, nonce = tables.transactions, first - 1
    while True:
        wanted = select(table.c.nonce, table.c.raw, table.c.block_time).where(
            table.c.attempt == 0, table.c.nonce > nonce, table.c.nonce < below
        )
        with tables.reading(engine).connect() as connection:
            page = connection.execute(wanted.order_by(table.c.nonce).limit(_PAGE_BLOCKS)).mappings().all()
        if not page:
            return
        yield from page
        nonce = page[-1]["nonce"]


def verify(
    chain: Chain,
    engine: Engine,
    identity: ChainIdentity,
    *,
    above: int,
    head: int,
    advance: Callable[[int], None] = lambda _: None,
) -> bytes:
    """Compare the rebuilt chain with what is stored about it; return the contract's code.

    1. As many blocks as transactions, and the contract's code is the one pinned.
    2. Every indexed block after `above` has its hash, parent and time; so have those before it that hold no
    events.
    3. Every indexed event after `above` is on the chain with the same members, and between indexed blocks
    there is no other.
    4. The counters of every licence equal what all events add up to, those up to `above` included.

    What is stored about blocks after `head` is left alone. `advance` is told of each block whose events were
    compared. Raises ReplayMismatch naming the first row that differs.
    """
    # (1): the contract
    code = chain.code(identity.contract)
    if not is_print_ledger(code):
        raise ReplayMismatch("ledger_transactions nonce 0", "the deployment makes no print ledger")
    check_node(identity, chain.chain_id(), code)
    found = chain.head().number
    if found != head:
        raise ReplayMismatch("ledger_transactions", f"{head} transactions made {found} blocks")
    # (2): the blocks
    indexed = _verify_blocks(chain, engine, above, head)
    # (3): the events
    counts = _Counts()
    for first in range(above + 1, head + 1, _PAGE_BLOCKS):
        last = min(first + _PAGE_BLOCKS - 1, head)
        _verify_events(chain, engine, identity, first, last, indexed, counts)
        advance(last - first + 1)
    # (4): the counters
    counts.take_stored(engine, above)
    _verify_counters(chain, identity, counts)
    return code


def _verify_blocks(chain: Chain, engine: Engine, above: int, head: int) -> int:
    """Compare the indexed blocks; return the number of the newest, 0 without any."""
    blocks, events = tables.blocks, tables.events
    with_events = select(events.c.block_number).where(events.c.block_number == blocks.c.number).exists()
    newest = -1
    while True:
        wanted = select(blocks).where(blocks.c.number > newest, blocks.c.number <= head)
        wanted = wanted.where(or_(blocks.c.number > above, ~with_events)).order_by(blocks.c.number)
        with tables.reading(engine).connect() as connection:
            rows = connection.execute(wanted.limit(_PAGE_BLOCKS)).mappings().all()
        if not rows:
            return max(newest, above)
        for row, header in zip(rows, chain.headers([row["number"] for row in rows]), strict=True):
            name = f"ledger_blocks {row['number']}"
            if header is None:
                raise ReplayMismatch(name, "the replay did not reach this block")
            for field in ("hash", "parent", "timestamp"):
                if row[field] != getattr(header, field):
                    raise ReplayMismatch(f"{name}.{field}", "the replay made another block")
        newest = rows[-1]["number"]


def _verify_events(
    chain: Chain,
    engine: Engine,
    identity: ChainIdentity,
    first: int,
    last: int,
    indexed: int,
    counts: _Counts,
) -> None:
    """Compare the events of some blocks with those stored, as far as blocks are indexed, and count them."""
    within = tables.events.c.block_number.between(first, last)
    with tables.reading(engine).connect() as connection:
        rows = connection.execute(select(tables.events).where(within)).mappings()
        stored = {(row["block_number"], row["log_index"]): dict(row) for row in rows}
    for log in chain.logs(identity.contract, first, last):
        event = event_of(log)
        actual = IndexedEvent(log, 0, event, fact_in(event)).row()
        if log.block_number <= indexed:
            _compare_event(stored.pop((log.block_number, log.index), None), actual)
        counts.take(actual)
    for block_number, log_index in stored:
        raise ReplayMismatch(f"ledger_events {block_number}/{log_index}", "is not on the rebuilt chain")


def _compare_event(stored: dict[str, Any] | None, actual: dict[str, Any]) -> None:
    name = f"ledger_events {actual['block_number']}/{actual['log_index']}"
    if stored is None:
        raise ReplayMismatch(name, "is on the rebuilt chain but not in the database")
    for field, value in actual.items():
        if stored[field] != value:
            raise ReplayMismatch(f"{name}.{field}", "differs from the rebuilt chain")


class _Counts:
    """What the events add up to, a licence."""

    def __init__(self) -> None:
        self.used: Counter[bytes] = Counter()
        self.credited: Counter[bytes] = Counter()

    def take(self, row: Mapping[Any, Any]) -> None:
        """Count one event, as a row of `ledger_events`."""
        licence = row["licence"]
        if licence is not None:
            self.used[licence] += row["name"] == "PrintRecorded"
            if row["name"] == "OutcomeRecorded":
                self.credited[licence] += json.loads(row["body"]).get("credited") is True

    def take_stored(self, engine: Engine, last: int) -> None:
        """Count the stored events up to a block."""
        events = tables.events.c
        upto = (events.block_number <= last) & events.licence.is_not(None)
        prints = func.sum(case((events.name == "PrintRecorded", 1), else_=0))
        with tables.reading(engine).connect() as connection:
            self._add_prints(connection, select(events.licence, prints).where(upto).group_by(events.licence))
            outcomes = select(events.licence, events.name, events.body).where(upto)
            for row in connection.execute(outcomes.where(events.name == "OutcomeRecorded")).mappings():
                self.take(row)

    def _add_prints(self, connection: Connection, grouped: Any) -> None:
        for licence, prints in connection.execute(grouped):
            self.used[licence] += int(prints)


def _verify_counters(chain: Chain, identity: ChainIdentity, counts: _Counts) -> None:
    members = _licence_members()
    licences = list(counts.used)
    for start in range(0, len(licences), _COUNTED_AT_ONCE):
        some = licences[start : start + _COUNTED_AT_ONCE]
        answers = chain.query(identity.contract, [encode_query("licenceState", licence) for licence in some])
        for licence, answer in zip(some, answers, strict=True):
            state = dict(zip(members, decode_query("licenceState", answer)[0], strict=True))
            expected = (counts.used[licence], counts.credited[licence])
            if (state["used"], state["credited"]) != expected:
                raise ReplayMismatch(f"licence 0x{licence.hex()}", "its counters differ from its events")


def _licence_members() -> Sequence[str]:
    """Return the names of the members of `licenceState`'s answer, in order, as the compiler lists them."""
    (view,) = (entry for entry in artifact().abi if entry.get("name") == "licenceState")
    return [str(member["name"]) for member in view["outputs"][0]["components"]]
