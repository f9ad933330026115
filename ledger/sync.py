"""The indexer's hands: reads pages from the chain, writes them with what they mean for the outbox.

One step is one page or one rewind, in one transaction. A step that fails leaves nothing; the next one asks
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, Select, bindparam, delete, func, insert, select, update

from ledger import tables
from ledger.abi import decode_error
from ledger.chain import Chain, Header
from ledger.facts import compact_json
from ledger.identity import ChainIdentity
from ledger.indexer import IndexedEvent, Page, common_ancestor, finalised, read_page
from ledger.leases import Lease
from ledger.outbox import OperationStatus, status_of
from ledger.prepared import Prepared
from ledger.writing import writing

_DENSE_BLOCKS: Final = 256
_SPARSE_BLOCKS: Final = 2000
_ANCESTOR_BLOCKS: Final = 64
_EVENTS_AT_ONCE: Final = 2000
_RECEIPT: Final = ("tx_hash", "block_number", "block_hash", "block_time", "log_index")

_operations = tables.operations
_standing = select(*(column for column in _operations.c if column.name not in ("body", "appended_at")))
_BY_FACT = _standing.where(_operations.c.fact.in_(bindparam("facts", expanding=True)))
_BY_NONCE = _standing.where(_operations.c.nonce.in_(bindparam("nonces", expanding=True)))
_DEEP = _standing.where(_operations.c.state == "mined", _operations.c.block_number <= bindparam("final"))
_OURS = select(tables.transactions.c.hash, tables.transactions.c.nonce).where(
    tables.transactions.c.hash.in_(bindparam("hashes", expanding=True))
)
_MARK = (
    update(tables.transactions)
    .where(tables.transactions.c.hash == bindparam("its"))
    .values(block_number=bindparam("block_number"), block_hash=bindparam("block_hash"), succeeded=True)
)
_SET_STATE = (
    update(_operations)
    .where(_operations.c.position == bindparam("at"))
    .values({name: bindparam(name) for name in (*_RECEIPT, "state", "reason", "settled")})
)

_LOST = Prepared(
    select(_operations.c.operation_id)
    .where(_operations.c.state.in_(("pending", "sent", "mined", "rejected")), _operations.c.settled)
    .limit(10)
)
"""Named by the states that are not `confirmed`, so that the index on states finds them among millions."""


class Sync:
    """Follows one contract. `publish` gets the statuses a step made final, after its commit.

    `rewound` is called after a rewind, with how many operations it took out of blocks.
    """

    def __init__(
        self,
        engine: Engine,
        chain: Chain,
        identity: ChainIdentity,
        lease: Lease,
        *,
        confirmations: int,
        publish: Callable[[Sequence[OperationStatus]], None],
        rewound: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._reading = tables.reading(engine)
        self._chain = chain
        self._identity = identity
        self._lease = lease
        self._confirmations = confirmations
        self._publish = publish
        self._rewound = rewound
        self._known: Header | None = None
        self.head = 0

    def step(self) -> bool:
        """Take in one page or rewind once; return whether the index changed.

        Raises ChainError where the node fails or moved in between, LeaseLost where another process indexes.
        """
        newest, self._known = self._known or self._newest(), None
        head = self._chain.head()
        self.head = head.number
        if newest is not None and head.hash == newest.hash:
            self._known = newest
            return False
        follows = newest is not None and head.parent == newest.hash
        if newest is not None and not follows and not self._stands(newest):
            self._rewind()
            return True
        first = self._identity.first_block if newest is None else newest.number + 1
        page = self._read([head], newest, head.number) if follows else self._read_run(newest, first, head)
        if page is None:
            return False
        self._write(page, head.number)
        self._known = page.blocks[-1]
        return True

    @property
    def behind(self) -> bool:
        """Whether the last step saw more to read than it read."""
        return self._known is None or self._known.number < self.head

    def step_aside(self) -> None:
        """Forget what was indexed last: another process may index from now on, and the database tells."""
        self._known = None

    def indexed(self) -> int:
        """Return the number of the newest indexed block, -1 without any."""
        newest = self._known or self._newest()
        return -1 if newest is None else newest.number

    def _newest(self) -> Header | None:
        found = self._indexed_blocks(limit=1)
        return found[0] if found else None

    def _indexed_blocks(self, *, limit: int, below: int | None = None) -> list[Header]:
        chosen = select(tables.blocks).order_by(tables.blocks.c.number.desc()).limit(limit)
        if below is not None:
            chosen = chosen.where(tables.blocks.c.number < below)
        with self._reading.connect() as connection:
            return [Header(**row) for row in connection.execute(chosen).mappings()]

    def _stands(self, block: Header) -> bool:
        seen = self._chain.headers([block.number])[0]
        return seen is not None and seen.hash == block.hash

    def _read_run(self, newest: Header | None, first: int, head: Header) -> Page | None:
        """Read the next run: far from the head only the blocks that matter, near it each of them."""
        if first > head.number:
            return None
        if head.number - first < _DENSE_BLOCKS:
            return self._read(self._chain.headers(range(first, head.number + 1)), newest, head.number)
        last = min(first + _SPARSE_BLOCKS - 1, head.number - _DENSE_BLOCKS)
        logs = self._chain.logs(self._identity.contract, first, last)
        wanted = sorted({log.block_number for log in logs} | {last})
        return read_page(newest, self._chain.headers(wanted), logs)

    def _read(self, headers: Sequence[Header | None], newest: Header | None, last: int) -> Page:
        first = headers[0].number if headers and headers[0] is not None else last
        return read_page(newest, headers, self._chain.logs(self._identity.contract, first, last))

    def _write(self, page: Page, head: int) -> None:
        final = finalised(head, self._confirmations)
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            changes = _Changes(connection, final)
            changes.take_in(page)
            changes.settle_older()
            _prune(connection, page.blocks[-1].number)
        self._publish([status for status in changes.statuses if status.final])

    def _rewind(self) -> None:
        """Go back to the youngest block that the chain still has, and put back what was above it."""
        ancestor = self._ancestor()
        above = -1 if ancestor is None else ancestor.number
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            connection.execute(delete(tables.events).where(tables.events.c.block_number > above))
            connection.execute(delete(tables.blocks).where(tables.blocks.c.number > above))
            cleared = dict.fromkeys((*_RECEIPT, "reason"))
            mine = _operations.c.nonce.is_not(None)
            for state, chosen in (("sent", mine), ("pending", ~mine)):
                reverted = update(_operations).where(_operations.c.block_number > above, chosen)
                connection.execute(reverted.values(state=state, **cleared))
            unmined = update(tables.transactions).where(tables.transactions.c.block_number > above)
            connection.execute(unmined.values(block_number=None, block_hash=None, succeeded=None))
        self._rewound()

    def _ancestor(self) -> Header | None:
        below: int | None = None
        while indexed := self._indexed_blocks(limit=_ANCESTOR_BLOCKS, below=below):
            numbers = [block.number for block in indexed]
            seen = dict(zip(numbers, self._chain.headers(numbers), strict=True))
            found = common_ancestor(indexed, seen)
            if found is not None:
                return found
            below = numbers[-1]
        return None


class _Changes:
    """What one page changes, within its transaction. `final` is the newest block deep enough to count."""

    def __init__(self, connection: Connection, final: int) -> None:
        self._connection = connection
        self._final = final
        self.statuses: list[OperationStatus] = []

    def take_in(self, page: Page) -> None:
        """Write blocks and events, mark transactions and operations that the events speak of."""
        self._connection.execute(
            insert(tables.blocks),
            [
                {"number": b.number, "hash": b.hash, "parent": b.parent, "timestamp": b.timestamp}
                for b in page.blocks
            ],
        )
        for start in range(0, len(page.events), _EVENTS_AT_ONCE):
            events = page.events[start : start + _EVENTS_AT_ONCE]
            self._connection.execute(insert(tables.events), [event.row() for event in events])
            nonces = self._mark_transactions(events)
            self._set([*self._granted(events, nonces), *self._refused(events, nonces)])

    def settle_older(self) -> None:
        """Make final what lies in blocks that became deep enough."""
        self._set([dict(row) for row in self._operations(_DEEP, final=self._final)])

    def _mark_transactions(self, events: Sequence[IndexedEvent]) -> dict[bytes, int]:
        """Note which of our transactions are in blocks; return their nonces by hash."""
        places = {event.log.transaction: event.log for event in events}
        ours = self._connection.execute(_OURS, {"hashes": list(places)})
        nonces = {row.hash: row.nonce for row in ours}
        if nonces:
            values = [
                {"its": key, "block_number": places[key].block_number, "block_hash": places[key].block_hash}
                for key in nonces
            ]
            self._connection.execute(_MARK, values)
        return nonces

    def _granted(self, events: Sequence[IndexedEvent], nonces: dict[bytes, int]) -> list[dict[str, Any]]:
        """Return the operations whose fact an event states, with its receipt."""
        stated = {event.fact: event for event in events if event.fact is not None}
        rows = self._operations(_BY_FACT, facts=list(stated)) if stated else []
        by_fact: dict[str, list[RowMapping]] = {}
        for row in rows:
            by_fact.setdefault(row["fact"], []).append(row)
        changed = []
        for fact, candidates in by_fact.items():
            event = stated[fact]
            nonce = nonces.get(event.log.transaction)
            ours = [row for row in candidates if nonce is not None and row["nonce"] == nonce]
            changed += [{**row, **_receipt(event), "reason": None} for row in ours or candidates]
        return changed

    def _refused(self, events: Sequence[IndexedEvent], nonces: dict[bytes, int]) -> list[dict[str, Any]]:
        """Return the operations that a batch skipped, unless the chain held their fact before."""
        refused: dict[tuple[int, int], IndexedEvent] = {}
        for event in events:
            nonce = nonces.get(event.log.transaction)
            if event.rejection is not None and nonce is not None:
                refused[nonce, event.rejection.index] = event
        if not refused:
            return []
        rows = self._operations(_BY_NONCE, nonces=list({nonce for nonce, _ in refused}))
        rows = [row for row in rows if (row["nonce"], row["item"]) in refused and row["block_number"] is None]
        known = {row["fact"] for row in rows} & self._facts_held([row["fact"] for row in rows])
        changed = []
        for row in rows:
            event = refused[row["nonce"], row["item"]]
            if row["fact"] in known:
                changed.append({**row, **receipt_of_fact(self._connection, row["fact"]), "reason": None})
            elif event.rejection is not None:
                reason = compact_json(decode_error(event.rejection.reason).to_json())
                changed.append({**row, **_receipt(event), "reason": reason})
        return changed

    def _facts_held(self, facts: Sequence[str]) -> set[str]:
        held = select(tables.events.c.fact).where(tables.events.c.fact.in_(facts))
        return set(self._connection.execute(held).scalars())

    def _operations(self, asked: Select[Any], **values: object) -> list[RowMapping]:
        return list(self._connection.execute(asked, values).mappings())

    def _set(self, rows: Sequence[dict[str, Any]]) -> None:
        if not rows:
            return
        for row in rows:
            deep = row["block_number"] <= self._final
            row["state"] = ("confirmed" if row["reason"] is None else "rejected") if deep else "mined"
            row["settled"] = bool(row["settled"]) or (deep and row["reason"] is None)
        names = (*_RECEIPT, "state", "reason", "settled")
        values = [{"at": row["position"], **{name: row[name] for name in names}} for row in rows]
        self._connection.execute(_SET_STATE, values)
        self.statuses += [status_of(row) for row in rows]


def _receipt(event: IndexedEvent) -> dict[str, Any]:
    return {
        "tx_hash": event.log.transaction,
        "block_number": event.log.block_number,
        "block_hash": event.log.block_hash,
        "block_time": event.block_time,
        "log_index": event.log.index,
    }


def receipt_of_fact(connection: Connection, fact: str) -> dict[str, Any]:
    """Return the receipt columns of an indexed fact; empty where the index does not hold it."""
    events, blocks = tables.events.c, tables.blocks.c
    joined = select(
        events.tx_hash,
        events.block_number,
        blocks.hash.label("block_hash"),
        blocks.timestamp.label("block_time"),
        events.log_index,
    ).where(events.fact == fact, events.block_number == blocks.number)
    row = connection.execute(joined.order_by(events.block_number)).mappings().first()
    return {} if row is None else dict(row)


def _prune(connection: Connection, newest: int) -> None:
    """Forget far blocks without events, now and then."""
    if newest % _DENSE_BLOCKS:
        return
    far = tables.blocks.c.number < newest - 2 * _DENSE_BLOCKS
    held = select(tables.events.c.block_number).where(tables.events.c.block_number == tables.blocks.c.number)
    connection.execute(delete(tables.blocks).where(far, ~held.exists()))


def pending_count(connection: Connection) -> int:
    """Return how many operations wait for the chain."""
    waiting = _operations.c.state.in_(("pending", "sent", "mined"))
    return int(connection.execute(select(func.count()).where(waiting)).scalar_one())


def unsettled(connection: Connection) -> list[str]:
    """Return operations that were final once and that a reorg took back."""
    return [operation_id for (operation_id,) in _LOST.rows(connection)]
