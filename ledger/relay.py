"""The relay: carries the outbox to the chain, one leader at a time, without ever losing or doubling an
operation.

One step:

1. follow what was signed before: receipts, reverted batches, transactions the node forgot, offers too low;
2. take the oldest pending operations, up to a group;
3. run each by itself on the newest state; what the contract refuses is rejected with its reason and uses no
nonce,
   unless something signed before it may still change that: then it waits;
4. sign the rest as one `batch` and store bytes, nonce and hash in one transaction;
5. send. Whatever the node says to that, or if this process dies before it: the stored bytes are sent until a
receipt
   shows up, and each operation counts once, because the contract says so.

On the embedded chain the stored bytes carry the time of their block, so a replay after a kill makes the same
block. There a courier may send one group while the next is prepared; nothing more is signed while a nonce
that failed to be sent is missing from the chain.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, RowMapping, bindparam, func, insert, select, update

from ledger import tables
from ledger.abi import batch_gas_limit, decode_error, encode_batch
from ledger.chain import Chain
from ledger.courier import PARCELS_MAX, Courier
from ledger.facts import compact_json
from ledger.flight import Flight
from ledger.gas import TRANSACTION_GAS, has_p256, offer_of, operation_gas
from ledger.identity import EMBEDDED_MAX_FEE, EMBEDDED_TIP, ChainIdentity
from ledger.indexer import finalised
from ledger.leases import Lease
from ledger.outbox import OperationStatus, calldata_in, status_of
from ledger.signer import AccountKey
from ledger.sync import receipt_of_fact
from ledger.transaction import Offer, SignedTransaction, sign_transaction
from ledger.writing import writing

_operations: Final = tables.operations
_transactions: Final = tables.transactions
_PENDING: Final = (
    select(_operations)
    .where(_operations.c.state == "pending")
    .order_by(_operations.c.position)
    .limit(bindparam("group"))
)
_NEWEST: Final = (
    select(_transactions.c.nonce, _transactions.c.block_time).order_by(_transactions.c.nonce.desc()).limit(1)
)
_STORE: Final = insert(_transactions)
_ASSIGN: Final = (
    update(_operations)
    .where(_operations.c.position == bindparam("at"))
    .values(state="sent", nonce=bindparam("its"), item=bindparam("place"))
)
_HELD_MAX: Final = 256
_HARMFUL: Final = frozenset({"revoke", "retire"})
"""Kinds that can make an operation that waits fail; they do not overtake one."""


@dataclass(frozen=True)
class RelayLimits:
    """How the relay groups and how patient it is.

    `linger_s` waits for company before a group is signed; without it a group is what came while the last one
    was under way, which is best where blocks come at once.
    """

    group_operations_max: int = 128
    group_gas_max: int = 15_000_000
    linger_s: float = 0.015
    in_flight_max: int = 16
    resend_after_s: float = 5.0
    raise_after_s: float = 30.0


@dataclass(frozen=True)
class _Candidate:
    """A pending operation with its calldata and a bound on its gas."""

    row: RowMapping
    calldata: bytes
    gas: int


class Relay:
    """Sends with one account. `publish` gets statuses that a step made final, `sent` is called after each
    sending; without a `courier` the step itself sends.
    """

    def __init__(
        self,
        engine: Engine,
        chain: Chain,
        identity: ChainIdentity,
        key: AccountKey,
        lease: Lease,
        *,
        clock: Callable[[], float],
        confirmations: int,
        publish: Callable[[Sequence[OperationStatus]], None],
        sent: Callable[[], None],
        limits: RelayLimits | None = None,
        courier: Courier | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._reading = tables.reading(engine)
        self._chain = chain
        self._identity = identity
        self._key = key
        self._lease = lease
        self._clock = clock
        self._confirmations = confirmations
        self._publish = publish
        self._sent = sent
        self._limits = limits or RelayLimits()
        self._courier = courier
        self._pause = pause
        self._flight = Flight(
            engine,
            chain,
            identity,
            key,
            lease,
            clock,
            resend_after_s=self._limits.resend_after_s,
            raise_after_s=self._limits.raise_after_s,
        )
        self._held: set[int] = set()
        self._crowd = 0
        self._precompile: bool | None = None

    def step(self) -> bool:
        """Do one round; return whether there was anything to carry.

        Raises ChainError where the node fails, LeaseLost where another process leads now.
        """
        if self._carry():
            return True
        self._flight.follow(self._sending())
        return False

    def _carry(self) -> bool:
        in_flight = self._under_way()
        if in_flight is None:
            return False
        candidates = self._candidates()
        if not candidates:
            return False
        before = self._oldest_in(in_flight)
        mined = self._mined()
        accepted, refused = self._simulate(candidates)
        settled = self._settled(accepted, refused, before)
        if accepted:
            self._store(accepted, mined)
        rejected = self._refuse(settled)
        return bool(accepted) or rejected

    def _mined(self) -> int:
        """Return how many nonces the chain has seen used; the embedded one sees none that is not stored."""
        return 0 if self._identity.embedded else self._chain.nonce(self._key.address)

    def _under_way(self) -> list[int] | None:
        """Follow what was signed; return the nonces that no block holds, None where nothing may follow them
        now.
        """
        failed = self._courier is not None and self._courier.failed
        sending = self._sending()
        if failed:
            self._flight.hurry()
        if len(sending) >= PARCELS_MAX:
            return None
        missing = self._flight.follow(sending, hurried=True)
        if len(missing) >= (1 if self._identity.embedded else self._limits.in_flight_max):
            return None
        if failed and self._courier is not None:
            self._courier.resume()
        return missing + sending

    def _sending(self) -> list[int]:
        """Return the nonces that are being delivered."""
        return [] if self._courier is None else self._courier.nonces()

    @property
    def waiting(self) -> bool:
        """Whether operations wait for earlier ones to be mined, or a sending failed."""
        return bool(self._held) or (self._courier is not None and self._courier.failed)

    def rebroadcast(self) -> None:
        """Send what is not in a block again at the next step, without waiting for its time."""
        self._flight.hurry()

    def _candidates(self) -> list[_Candidate]:
        rows = self._pending()
        crowd, self._crowd = self._crowd, len(rows)
        if 0 < len(rows) < crowd:
            self._pause(self._limits.linger_s)
            rows = self._pending()
            self._crowd = len(rows)
        if rows and self._precompile is None:
            self._precompile = has_p256(self._chain)
        return [self._candidate(row) for row in rows]

    def _candidate(self, row: RowMapping) -> _Candidate:
        calldata = calldata_in(row["body"])
        size, precompile = len(calldata), bool(self._precompile)
        bound = operation_gas(row["kind"], size, precompile=precompile, reverts=row["reverts"])
        return _Candidate(row, calldata, bound)

    def _pending(self) -> list[RowMapping]:
        """Return the oldest pending operations: a group of them, and those that wait besides."""
        limit = self._limits.group_operations_max + min(len(self._held), _HELD_MAX)
        with self._reading.connect() as connection:
            return list(connection.execute(_PENDING, {"group": limit}).mappings())

    def _simulate(
        self, candidates: Sequence[_Candidate]
    ) -> tuple[list[_Candidate], list[tuple[_Candidate, bytes]]]:
        """Return what the contract would take now, up to a group, and what it refuses with its reason."""
        calls = [candidate.calldata for candidate in candidates]
        outcomes = self._chain.simulate(self._identity.contract, calls, time=int(self._clock()))
        accepted: list[_Candidate] = []
        refused: list[tuple[_Candidate, bytes]] = []
        gas = TRANSACTION_GAS
        for candidate, outcome in zip(candidates, outcomes, strict=True):
            if outcome is not None:
                refused.append((candidate, outcome))
            elif not (refused and candidate.row["kind"] in _HARMFUL):
                gas += candidate.gas
                full = len(accepted) >= self._limits.group_operations_max
                if accepted and (full or batch_gas_limit(gas) > self._limits.group_gas_max):
                    break
                accepted.append(candidate)
        return accepted, refused

    def _oldest_in(self, nonces: Sequence[int]) -> float:
        """Return the position of the oldest operation under way; infinite where none is."""
        oldest = select(func.min(_operations.c.position)).where(_operations.c.nonce.in_(nonces))
        if not nonces:
            return math.inf
        with self._reading.connect() as connection:
            found = connection.execute(oldest).scalar()
        return math.inf if found is None else float(found)

    def _settled(
        self,
        accepted: Sequence[_Candidate],
        refused: Sequence[tuple[_Candidate, bytes]],
        under_way: float,
    ) -> list[tuple[_Candidate, bytes]]:
        """Return the refused that nothing appended earlier can help any more; note the others as held."""
        first = min([under_way, *(candidate.row["position"] for candidate in accepted)])
        positions = {candidate.row["position"] for candidate, _ in refused}
        self._held = {position for position in positions if position > first}
        return [item for item in refused if item[0].row["position"] < first]

    def _store(self, accepted: Sequence[_Candidate], mined: int) -> int:
        """Sign a batch, store it with its operations, then send it; return its nonce."""
        data = encode_batch([candidate.calldata for candidate in accepted])
        gas = batch_gas_limit(TRANSACTION_GAS + sum(candidate.gas for candidate in accepted))
        offer = self._offer(gas)
        now = self._clock()
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            newest, newest_time = _newest(connection)
            nonce = max(mined, newest + 1)
            signed = sign_transaction(
                self._key,
                chain_id=self._identity.chain_id,
                nonce=nonce,
                to=self._identity.contract,
                data=data,
                offer=offer,
            )
            block_time = max(int(now), newest_time)  # time never runs back on the embedded chain
            row = {"nonce": nonce, "attempt": 0, "hash": signed.hash, "raw": signed.raw}
            row |= {"gas": offer.gas, "max_fee": offer.max_fee, "tip": offer.tip}
            connection.execute(_STORE, row | {"block_time": block_time, "signed_at": now})
            _assign(connection, accepted, nonce)
        self._dispatch(nonce, signed, block_time)
        return nonce

    def _dispatch(self, nonce: int, signed: SignedTransaction, block_time: int) -> None:
        """Send what is stored, or leave that to the courier."""

        def deliver() -> bool:
            taken = self._flight.send(signed.hash, signed.raw, block_time)
            self._sent()
            return taken

        if self._courier is not None:
            self._courier.hand(nonce, deliver)
            return
        self._flight.launch(nonce)
        deliver()

    def _offer(self, gas: int) -> Offer:
        if self._identity.embedded:
            return Offer(gas=gas, max_fee=EMBEDDED_MAX_FEE, tip=EMBEDDED_TIP)
        return offer_of(self._chain.fees(), gas)

    def _refuse(self, refused: Sequence[tuple[_Candidate, bytes]]) -> bool:
        """Reject operations for good, as soon as the index shows that none of them happened otherwise."""
        if not refused:
            return False
        final = self._final_block()
        if final is None:
            self._held |= {candidate.row["position"] for candidate, _ in refused}
            return False
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            changed = [_reject(connection, candidate.row, reason, final) for candidate, reason in refused]
        self._publish([status for status in changed if status.final])
        return True

    def _final_block(self) -> int | None:
        """Return the newest final block, None while the index has not read up to the head."""
        newest = select(func.max(tables.blocks.c.number))
        with self._reading.connect() as connection:
            indexed = connection.execute(newest).scalar()
        if indexed is None or self._chain.head().number > indexed:
            return None
        return finalised(int(indexed), self._confirmations)


def _newest(connection: Connection) -> tuple[int, int]:
    """Return the newest nonce signed and the time of its block; -1 and 0 where there is none."""
    row = connection.execute(_NEWEST).first()
    return (-1, 0) if row is None else (int(row.nonce), int(row.block_time))


def _assign(connection: Connection, accepted: Sequence[_Candidate], nonce: int) -> None:
    """Note which batch carries each operation, and where in it."""
    places = [{"at": c.row["position"], "place": place, "its": nonce} for place, c in enumerate(accepted)]
    connection.execute(_ASSIGN, places)


def _reject(connection: Connection, row: RowMapping, revert_data: bytes, final: int) -> OperationStatus:
    """Reject an operation, or confirm it where the chain held its fact all along."""
    values: dict[str, Any] = receipt_of_fact(connection, row["fact"])
    if values:
        deep = values["block_number"] <= final
        values |= {"state": "confirmed" if deep else "mined", "settled": deep}
    else:
        values = {"state": "rejected", "reason": compact_json(decode_error(revert_data).to_json())}
    connection.execute(update(_operations).where(_operations.c.position == row["position"]).values(**values))
    return status_of({**row, **values})
