"""Bringing the embedded chain back into a fresh node: from its newest good snapshot, or from the first block.

Whatever the way, nothing comes out of here that was not compared with the database.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak
from sqlalchemy import Engine, select

from ledger import tables
from ledger.anvil import AnvilProcess
from ledger.berth import Berth
from ledger.chain import ChainError, RefusedError
from ledger.history_digest import history_digest
from ledger.identity import ChainIdentity
from ledger.replay import ReplayMismatch, replay, verify
from ledger.snapshot import Manifest, Shelf, SnapshotUnfit
from ledger.state_stream import load_state
from ledger.web3_chain import Web3Chain

RELAY_BALANCE_WEI: Final = 10**30
"""What the relay's account holds from the first block on; part of every block's hash."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Restored:
    """A verified node and how it came to be: `snapshot` is the block of the one used, None without."""

    process: AnvilProcess
    code: bytes
    head: int
    snapshot: int | None
    seconds: float


class Restoration:
    """Restores the chain of a database into nodes that a berth starts. `advance` is told of each block that
    is replayed, and again of each that is compared.
    """

    def __init__(
        self,
        engine: Engine,
        identity: ChainIdentity,
        relay_address: str,
        shelf: Shelf | None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._relay_address = relay_address
        self._shelf = shelf
        self._advance = advance

    def run(self, berth: Berth, head: int, *, port: int | None = None) -> Restored:
        """Return a node that holds the verified chain up to `head`.

        A snapshot that fails any check is passed over, and set aside once the chain is restored without it:
        if it cannot be, the database is at fault and the snapshot is left as it is. Raises ReplayMismatch if
        the chain is not the one the database describes, ChainError if the node fails.
        """
        began = time.monotonic()
        blocks = self._shelf.blocks() if self._shelf is not None else []
        doubted = [block for block in blocks if block > head]  # of another history, longer than this one
        ways: list[int | None] = [*(block for block in blocks if 0 < block <= head), None]
        for block in ways:
            running = berth.spawn(port)
            try:
                code = self._from_snapshot(running, block, head) if block else self._anew(running, head)
            except (SnapshotUnfit, ReplayMismatch, ChainError) as problem:
                berth.retire()
                if block is None or berth.closed:
                    raise
                doubted += [block] if not isinstance(problem, ChainError) else []
                _log.warning("snapshot of block %d is not used, replaying more instead: %s", block, problem)
            except BaseException:
                berth.retire()
                raise
            else:
                self._set_aside(doubted)
                return Restored(running, code, head, block, time.monotonic() - began)
        raise AssertionError("the last way, from the first block, returns or raises")

    def _set_aside(self, doubted: list[int]) -> None:
        for block in doubted:
            assert self._shelf is not None  # noqa: S101 - only a shelf gives snapshots
            self._shelf.set_aside(block)
            _log.warning("snapshot of block %d is set aside", block)

    def _anew(self, running: AnvilProcess, head: int) -> bytes:
        node = Web3Chain.local(lambda: running.socket_path)
        node.tell("anvil_setBalance", self._relay_address, hex(RELAY_BALANCE_WEI))
        return self._replay(node, above=0, head=head)

    def _from_snapshot(self, running: AnvilProcess, block: int, head: int) -> bytes:
        """Load a snapshot, prove it, and replay what came after it.

        1. Its seal and state file are whole, and it is of this chain.
        2. The rows stored up to its block are those that were proved when it was taken.
        3. The node that loaded it stands on the indexed block, in the state that this block commits to.
        4. The rest is replayed and compared; the counters of all licences are.
        """
        assert self._shelf is not None  # noqa: S101 - only a shelf gives snapshots
        # (1): the files
        manifest = self._shelf.proved(block)
        self._require_ours(manifest)
        # (2): the rows
        if history_digest(self._engine, block) != manifest.rows_sha256:
            raise SnapshotUnfit("the rows stored up to its block are not those it was taken with")
        # (3): the node
        try:
            load_state(running.rpc_url, self._shelf.state(block), manifest.state_bytes)
        except RefusedError as refusal:
            raise SnapshotUnfit(str(refusal)) from refusal
        node = Web3Chain.local(lambda: running.socket_path)
        _require_state(node, manifest, self._identity.contract)
        # (4): the rest
        return self._replay(node, above=block, head=head)

    def _replay(self, node: Web3Chain, *, above: int, head: int) -> bytes:
        replay(node, self._engine, above=above, head=head, advance=self._advance)
        return verify(node, self._engine, self._identity, above=above, head=head, advance=self._advance)

    def _require_ours(self, manifest: Manifest) -> None:
        identity, blocks = self._identity, tables.blocks.c
        code_hash = "0x" + (identity.code_hash or b"").hex()
        ours = (identity.chain_id, identity.genesis_time, identity.contract, code_hash)
        theirs = (manifest.chain_id, manifest.genesis_time, manifest.contract, manifest.code_hash)
        if ours != theirs:
            raise SnapshotUnfit("it is of another chain or contract")
        with tables.reading(self._engine).connect() as connection:
            found = connection.execute(select(blocks.hash).where(blocks.number == manifest.block)).scalar()
        if found is None or "0x" + found.hex() != manifest.block_hash:
            raise SnapshotUnfit("the index has another block of its number")


def _require_state(node: Web3Chain, manifest: Manifest, contract: str) -> None:
    """Hold the loaded node to the block: its hash, and the state root that a proof of an account leads to."""
    head = node.tell("eth_getBlockByNumber", "latest", False)
    if (int(head["number"], 16), head["hash"]) != (manifest.block, manifest.block_hash):
        raise SnapshotUnfit("the node that loaded it stands on another block")
    proof = node.tell("eth_getProof", contract, [], "latest")["accountProof"]
    if "0x" + keccak(bytes.fromhex(proof[0][2:])).hex() != head["stateRoot"]:
        raise SnapshotUnfit("its state is not the one its block commits to")
