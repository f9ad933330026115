"""Transactions under way: each nonce that was signed is followed until the chain has it, whatever the node
said.

A nonce is never given up. Its bytes are sent again while no block holds them, its offer is raised while it is
stuck, and every hash it ever had is asked for. A batch that reverted as a whole gives its operations back to
the outbox; so does a nonce that another transaction of the same account took.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from typing import Final

import rlp  # type: ignore[import-untyped]
from sqlalchemy import Connection, Engine, RowMapping, insert, select, update

from ledger import tables
from ledger.chain import Chain, Receipt, SendError
from ledger.gas import raised
from ledger.identity import ChainIdentity
from ledger.leases import Lease
from ledger.signer import AccountKey
from ledger.transaction import Offer, sign_transaction
from ledger.writing import writing

_log = logging.getLogger(__name__)
_operations: Final = tables.operations
_transactions: Final = tables.transactions
_DATA_FIELD: Final = 7
_LOOK_EVERY_S: Final = 0.25
REVERTS_MAX: Final = 3
"""How often a batch may run out of gas under an operation before it is given its own."""


class Flight:
    """Follows the signed transactions of one account."""

    def __init__(
        self,
        engine: Engine,
        chain: Chain,
        identity: ChainIdentity,
        key: AccountKey,
        lease: Lease,
        clock: Callable[[], float],
        *,
        resend_after_s: float,
        raise_after_s: float,
    ) -> None:
        self._engine = engine
        self._reading = tables.reading(engine)
        self._chain = chain
        self._identity = identity
        self._key = key
        self._lease = lease
        self._clock = clock
        self._resend_after_s = resend_after_s
        self._raise_after_s = raise_after_s
        self._sent_at: dict[bytes, float] = {}
        self._open: list[int] = []
        self._doubtful = True
        self._looked_at = 0.0

    def follow(self, besides: Collection[int] = (), *, hurried: bool = False) -> list[int]:
        """Look after every nonce that is not settled, `besides` those that are being sent; return those that
        no block holds yet, oldest first.

        Who is `hurried` is told what was seen a moment ago and launched since. So is everybody where
        the node mines what it is sent: there are none unless a sending failed.
        """
        now = self._clock()
        recent = 0 <= now - self._looked_at < _LOOK_EVERY_S and not self._doubtful
        if recent and (hurried or self._identity.embedded):
            return [nonce for nonce in self._open if nonce not in besides]
        self._doubtful, self._looked_at = False, now
        try:
            self._open = self._look(besides)
        except BaseException:
            self._doubtful = True
            raise
        if self._open and self._identity.embedded:
            self._doubtful = True
        return list(self._open)

    def _look(self, besides: Collection[int]) -> list[int]:
        rows = [row for row in self._under_way() if row["nonce"] not in besides]
        receipts = self._chain.receipts([row["hash"] for row in rows])
        found = {row["hash"]: receipt for row, receipt in zip(rows, receipts, strict=True) if receipt}
        missing = []
        mined: int | None = None
        for nonce, group in groupby(rows, key=lambda row: int(row["nonce"])):
            attempts = list(group)
            receipt = next((found[row["hash"]] for row in attempts if row["hash"] in found), None)
            if receipt is not None:
                self._landed(nonce, receipt)
                continue
            mined = self._chain.nonce(self._key.address) if mined is None else mined
            if nonce < mined:
                self._taken(nonce, attempts)
                continue
            missing.append(nonce)
            if not self._press(attempts[-1]) and self._identity.embedded:
                break  # the nonce after it would make a block of its own, too early
        self._sent_at = {
            row["hash"]: self._sent_at[row["hash"]] for row in rows if row["hash"] in self._sent_at
        }
        return missing

    def launch(self, nonce: int) -> None:
        """Note a nonce that is sent for the first time, to a node that does not mine it at once."""
        if not self._identity.embedded:
            self._open.append(nonce)

    def send(self, hash_: bytes, raw: bytes, block_time: int) -> bool:
        """Hand stored bytes to the node; return whether it took them. A refusal is noted, not believed: the
        receipt decides.
        """
        self._sent_at[hash_] = self._clock()
        taken = False
        try:
            self._chain.send(raw, time=block_time)
            taken = True
        except SendError as refusal:
            level = logging.INFO if refusal.maybe_sent else logging.WARNING
            _log.log(level, "transaction 0x%s: %s", hash_.hex(), refusal)
        finally:
            if not taken:
                self._doubtful = True
        return taken

    def hurry(self) -> None:
        """Send everything again that is not in a block, at the next `follow`."""
        self._sent_at.clear()
        self._doubtful = True

    def _under_way(self) -> Sequence[RowMapping]:
        open_ones = _transactions.c.block_number.is_(None) & _transactions.c.succeeded.is_(None)
        chosen = select(_transactions).where(open_ones)
        with self._reading.connect() as connection:
            ordered = chosen.order_by(_transactions.c.nonce, _transactions.c.attempt)
            return connection.execute(ordered).mappings().all()

    def _landed(self, nonce: int, receipt: Receipt) -> None:
        """Note a receipt that the index does not: of a batch that reverted or that carries no operation."""
        with self._reading.connect() as connection:
            carries = connection.execute(
                select(_operations.c.position).where(_operations.c.nonce == nonce).limit(1)
            ).first()
        if receipt.succeeded and carries is not None:
            return
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            landed = update(_transactions).where(_transactions.c.hash == receipt.transaction)
            values = {"block_number": receipt.block_number, "block_hash": receipt.block_hash}
            connection.execute(landed.values(**values, succeeded=receipt.succeeded))
            if not receipt.succeeded:
                _give_back(connection, nonce, reverted=True)
        if not receipt.succeeded:
            _log.warning("batch of nonce %d reverted as a whole; its operations go back to the outbox", nonce)

    def _taken(self, nonce: int, attempts: Sequence[RowMapping]) -> None:
        """Close a nonce that a transaction not ours has used, once every hash of it was long enough unheard
        of.
        """
        asked_since = self._clock() - max(row["signed_at"] for row in attempts)
        if asked_since < self._raise_after_s:
            return
        if any(self._chain.receipts([row["hash"] for row in attempts])):
            return
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            lost = update(_transactions).where(_transactions.c.nonce == nonce)
            connection.execute(lost.where(_transactions.c.block_number.is_(None)).values(succeeded=False))
            _give_back(connection, nonce, reverted=False)
        _log.error(
            "nonce %d was used by a transaction that is not ours; is the relay key used elsewhere?", nonce
        )

    def _press(self, newest: RowMapping) -> bool:
        """Send a nonce's newest bytes again when due, with a better offer when it is stuck; return whether
        the node took it.
        """
        now = self._clock()
        if not self._identity.embedded and now - newest["signed_at"] >= self._raise_after_s:
            return self._raise(newest)
        if now - self._sent_at.get(newest["hash"], float("-inf")) >= self._resend_after_s:
            return self.send(newest["hash"], newest["raw"], newest["block_time"])
        return False

    def _raise(self, stuck: RowMapping) -> bool:
        """Sign the same call with a better offer, keep the old hash, store, send."""
        offer = raised(Offer(stuck["gas"], stuck["max_fee"], stuck["tip"]), self._chain.fees())
        signed = sign_transaction(
            self._key,
            chain_id=self._identity.chain_id,
            nonce=stuck["nonce"],
            to=self._identity.contract,
            data=bytes(rlp.decode(stuck["raw"][1:])[_DATA_FIELD]),
            offer=offer,
        )
        row = {
            "hash": signed.hash,
            "raw": signed.raw,
            "nonce": stuck["nonce"],
            "attempt": stuck["attempt"] + 1,
        }
        row |= {"max_fee": offer.max_fee, "tip": offer.tip, "gas": offer.gas, "signed_at": self._clock()}
        with writing(self._engine) as connection:
            self._lease.keep(connection)
            connection.execute(insert(_transactions).values(**row, block_time=stuck["block_time"]))
        return self.send(signed.hash, signed.raw, stuck["block_time"])


def _give_back(connection: Connection, nonce: int, *, reverted: bool) -> None:
    """Put the operations of a nonce back into the outbox."""
    waiting = (_operations.c.nonce == nonce) & (_operations.c.state == "sent")
    again = {
        "state": "pending",
        "nonce": None,
        "item": None,
        "reverts": _operations.c.reverts + int(reverted),
    }
    reason = '{"args":{},"name":"OutOfGas","sentence":"The chain ran out of gas for this operation alone."}'
    exhausted = waiting & (_operations.c.reverts >= REVERTS_MAX)
    if reverted:
        connection.execute(update(_operations).where(exhausted).values(state="rejected", reason=reason))
    connection.execute(update(_operations).where(waiting).values(**again))
