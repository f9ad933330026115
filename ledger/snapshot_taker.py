"""When a snapshot of the embedded chain is due, and how one is taken without the serving node.

A node that dumps its state answers nothing for seconds once it holds many prints. So a second, nicer child
takes the snapshot: it starts from the newest one, replays and verifies what came since, and is the one that
dumps. Issuing never waits for it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, func, select

from ledger import tables
from ledger.berth import Berth
from ledger.history_digest import history_digest
from ledger.identity import ChainIdentity
from ledger.restoration import Restoration
from ledger.snapshot import Manifest, Moment, Shelf, SnapshotUnfit
from ledger.state_stream import dump_state

NICENESS: Final = 15
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SnapshotPolicy:
    """When a snapshot is due. The weight of a piece of history is its events, and `block_weight` for each of
    its blocks: about what replaying them costs, an event being 0.3 ms.

    Due is what weighs `weight_max`, or an `old_weight` once the newest snapshot is `old_s` old. A snapshot
    costs time in proportion to all history, so each bound is at least the `share`-th part of it. At a stop
    only what weighs `stop_weight` and not more than is due anyway is worth the wait.
    """

    weight_max: int = 8192
    old_weight: int = 2048
    old_s: float = 1800.0
    stop_weight: int = 2048
    block_weight: int = 8
    share: int = 16
    look_every_s: float = 5.0


class SnapshotTaker:
    """Takes the snapshots of one database's embedded chain. `berth` is its own, beside the serving one."""

    def __init__(
        self,
        engine: Engine,
        identity: ChainIdentity,
        restoration: Restoration,
        shelf: Shelf,
        berth: Berth,
        policy: SnapshotPolicy,
    ) -> None:
        self._engine = engine
        self._reading = tables.reading(engine)
        self._identity = identity
        self._restoration = restoration
        self._shelf = shelf
        self._berth = berth
        self._policy = policy

    def due(self, *, stopping: bool = False) -> int | None:
        """Return the block to take a snapshot of now, None where none is worth its price."""
        newest = next(iter(self._shelf.blocks()), 0)
        block, since, weight = self._weigh(newest)
        if block <= newest:
            return None
        share = weight // self._policy.share
        often = max(self._policy.weight_max, share)
        if stopping:
            return block if self._policy.stop_weight <= since <= often else None
        old = self._age(newest) >= self._policy.old_s
        return block if since >= (max(self._policy.old_weight, share) if old else often) else None

    def take(self, block: int) -> Manifest:
        """Write a snapshot of an indexed block.

        Raises what `Restoration.run` does, ChainError if the child is ended meanwhile, OSError where the disk
        fails; no snapshot is there then.
        """
        identity = self._identity
        began = time.monotonic()
        try:
            scribe = self._restoration.run(self._berth, block).process
            moment = Moment(
                chain_id=identity.chain_id,
                genesis_time=identity.genesis_time or 0,
                contract=identity.contract,
                code_hash="0x" + (identity.code_hash or b"").hex(),
                block=block,
                block_hash=self._hash(block),
                rows_sha256=history_digest(self._engine, block),
                taken_at=int(time.time()),
            )
            manifest = self._shelf.keep(moment, dump_state(scribe.rpc_url))
        finally:
            self._berth.retire()
        seconds = time.monotonic() - began
        _log.info("snapshot of block %d: %d bytes in %.1f s", block, manifest.state_bytes, seconds)
        return manifest

    def _weigh(self, newest: int) -> tuple[int, int, int]:
        """Return the newest indexed block with events, the weight since a block, and of all history."""
        events = tables.events.c.block_number
        chosen = select(func.max(events), func.count(), func.count().filter(events > newest))
        with self._reading.connect() as connection:
            last, everything, since = connection.execute(chosen.select_from(tables.events)).one()
        last = int(last or 0)
        weight = self._policy.block_weight
        return last, since + weight * (last - newest), everything + weight * last

    def _age(self, block: int) -> float:
        """Return how old a snapshot is, in seconds; a chain without one is as young as the process."""
        try:
            return time.time() - self._shelf.describe(block).taken_at
        except SnapshotUnfit:
            return 0.0

    def _hash(self, block: int) -> str:
        blocks = tables.blocks.c
        with self._reading.connect() as connection:
            found: bytes = connection.execute(select(blocks.hash).where(blocks.number == block)).scalar_one()
        return "0x" + found.hex()
