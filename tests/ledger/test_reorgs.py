"""Reorgs of depth 1 to 64, dropped, duplicated and replaced transactions: whatever a network does to what it
had, contract, index and outbox end with every print counted once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger import tables
from ledger.abi import encode_call
from ledger.operations import RecordPrint
from ledger.runtime import remote
from ledger.signer import AccountKey
from ledger.transaction import Offer, sign_transaction
from tests.ledger.actors import secret
from tests.ledger.stage import RELAY, Network, Stage
from tests.ledger.stepped import Stepped
from tests.ledger.test_network import FAST, POLL_S, _mining, until

SHORT = (1, 2, 7, 64)
DEPTHS = [depth if depth in SHORT else pytest.param(depth, marks=pytest.mark.slow) for depth in range(1, 65)]
PRINTS = 5


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "node"
    folder.mkdir()
    node = Network(folder)
    yield node
    node.node.kill()


@contextmanager
def opened(network: Network, folder: Path, confirmations: int) -> Iterator[Stepped]:
    """A ledger with a licence of a handful of prints on it, all final."""
    ledger = Stepped(network, folder, confirmations=confirmations)
    try:
        cast = ledger.cast
        found = ledger.confirm(cast.publish(), cast.enrol(), cast.grant(cast.licence(prints=PRINTS)))
        assert {each.state for each in found} == {"confirmed"}
        yield ledger
    finally:
        ledger.close()


def prints(ledger: Stepped) -> list[RecordPrint]:
    licence = ledger.cast.licence(prints=PRINTS)
    return [ledger.cast.record(licence, sequence) for sequence in range(1, PRINTS + 1)]


def recorded(ledger: Stepped, depth: int) -> list[str]:
    """Record prints spread over the newest `depth` blocks, indexed; give their operations."""
    waiting, ids = prints(ledger), []
    for block in range(depth):
        due = len(waiting) if block == depth - 1 else -(-len(waiting) // (depth - block))
        ids += ledger.append(*(waiting.pop(0) for _ in range(due)))
        ledger.carry()
        ledger.network.mine()
    ledger.index()
    return ids


def counted_once(ledger: Stepped, ids: list[str]) -> None:
    """Contract, index, outbox and receipts agree that each print is there, and there once."""
    found = [ledger.status(each) for each in ids]
    assert [each.state for each in found] == ["confirmed"] * PRINTS
    subject = ledger.cast.licence(prints=PRINTS).struct_hash()
    assert ledger.licence(subject)[6] == PRINTS
    assert len(ledger.events("PrintRecorded")) == PRINTS
    receipts = ledger.network.chain.receipts([each.tx_hash or b"" for each in found])
    assert [receipt and receipt.block_hash for receipt in receipts] == [each.block_hash for each in found]
    assert not ledger.lost()


class TestReorg:
    @pytest.mark.parametrize("depth", DEPTHS)
    def test_past_finality_stops_issuing_and_resumes(
        self, network: Network, tmp_path: Path, depth: int
    ) -> None:
        with opened(network, tmp_path, 1) as ledger:
            ids = recorded(ledger, depth)
            network.chain.tell("anvil_reorg", depth, [])
            ledger.index()
            assert set(ledger.lost()) == set(ids)
            ledger.settle()
            counted_once(ledger, ids)

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_within_finality_is_followed_quietly(self, network: Network, tmp_path: Path, depth: int) -> None:
        with opened(network, tmp_path, depth + 1) as ledger:
            ids = recorded(ledger, depth)
            network.chain.tell("anvil_reorg", depth, [])
            ledger.index()
            assert not ledger.lost()
            ledger.settle()
            counted_once(ledger, ids)

    @pytest.mark.parametrize("depth", DEPTHS)
    def test_that_moves_transactions_to_other_blocks(
        self, network: Network, tmp_path: Path, depth: int
    ) -> None:
        """The new history has the same transactions, all in its first block."""
        with opened(network, tmp_path, 1) as ledger:
            before = len(_raw(ledger))
            ids = recorded(ledger, depth)
            moved = [["0x" + raw.hex(), 0] for raw in _raw(ledger)[before:]]
            network.chain.tell("anvil_reorg", depth, moved)
            ledger.settle()
            ledger.turn()
            counted_once(ledger, ids)
            blocks = {ledger.status(each).block_number for each in ids}
            assert len(blocks) == 1

    def test_is_said_by_the_runtime(self, network: Network, tmp_path: Path) -> None:
        with opened(network, tmp_path, 2) as ledger:
            ids = recorded(ledger, 64)
            ledger.settle()
            runtime = remote(
                ledger.engine,
                [network.node.rpc_url],
                network.contract,
                RELAY,
                2,
                lambda: time.time() + 1e9,
                limits=FAST,
                poll_s=POLL_S,
            )
            runtime.start()
            try:
                stage = Stage(ledger.engine, runtime, ledger.cast)
                assert until(lambda: runtime.health().ok)
                network.chain.tell("anvil_reorg", 64, [])
                assert until(lambda: "took back what was final" in str(runtime.health().reason))
                assert not runtime.health().ok
                with _mining(network):
                    assert until(lambda: runtime.health().ok)
                assert stage.used(ledger.cast.licence(prints=PRINTS)) == PRINTS
            finally:
                runtime.stop()
            counted_once(ledger, ids)


class TestPool:
    def test_dropped_again_and_again(self, network: Network, tmp_path: Path) -> None:
        with opened(network, tmp_path, 2) as ledger:
            ids = ledger.append(*prints(ledger))
            for _ in range(5):
                ledger.carry()
                for each in network.pooled():
                    network.chain.tell("anvil_dropTransaction", each)
                assert network.pooled() == []
            ledger.settle()
            counted_once(ledger, ids)

    def test_duplicated_by_a_stranger(self, network: Network, tmp_path: Path) -> None:
        """Somebody else relays each print on its own before the relay's batch is mined."""
        with opened(network, tmp_path, 2) as ledger:
            ids = ledger.append(*prints(ledger))
            ledger.carry()
            for each in network.pooled():
                network.chain.tell("anvil_dropTransaction", each)
            _strangers_relay(ledger, prints(ledger)[::2])
            ledger.settle()
            counted_once(ledger, ids)

    def test_sent_twice_by_the_relay(self, network: Network, tmp_path: Path) -> None:
        with opened(network, tmp_path, 2) as ledger:
            ids = ledger.append(*prints(ledger))
            ledger.carry()
            ledger.relay.rebroadcast()
            ledger.carry()
            network.mine()
            ledger.relay.rebroadcast()
            ledger.settle()
            counted_once(ledger, ids)

    @pytest.mark.parametrize("mined", [0, 1, 2])
    def test_replaced_by_a_better_offer(self, network: Network, tmp_path: Path, mined: int) -> None:
        """Any of a nonce's transactions may be the one that is mined."""
        with opened(network, tmp_path, 2) as ledger:
            before = len(_raw(ledger))
            ids = ledger.append(*prints(ledger))
            ledger.carry()
            for _ in range(2):
                ledger.now += 25
                ledger.carry()
            offers = _raw(ledger)[before:]
            assert len(offers) == 3
            for each in network.pooled():
                network.chain.tell("anvil_dropTransaction", each)
            network.chain.send(offers[mined], time=0)
            network.mine()
            ledger.settle()
            counted_once(ledger, ids)

    def test_its_nonce_taken_by_a_foreign_transaction(self, network: Network, tmp_path: Path) -> None:
        """The relay's key used elsewhere: the operations go back to the outbox and out with another nonce."""
        with opened(network, tmp_path, 2) as ledger:
            ids = ledger.append(*prints(ledger))
            ledger.carry()
            for each in network.pooled():
                network.chain.tell("anvil_dropTransaction", each)
            offer = Offer(gas=50_000, max_fee=10**12, tip=10**10)
            nonce = network.chain.nonce(RELAY.address)
            foreign = sign_transaction(
                RELAY, chain_id=31337, nonce=nonce, to=RELAY.address, data=b"", offer=offer
            )
            network.chain.send(foreign.raw, time=0)
            network.mine()
            ledger.now += 25
            ledger.settle()
            counted_once(ledger, ids)


def _raw(ledger: Stepped) -> list[bytes]:
    column = tables.transactions.c
    with ledger.engine.connect() as connection:
        ordered = select(column.raw).order_by(column.nonce, column.attempt)
        return list(connection.execute(ordered).scalars())


def _strangers_relay(ledger: Stepped, operations: list[RecordPrint]) -> None:
    stranger, chain = AccountKey.from_bytes(secret("stranger")), ledger.network.chain
    chain.tell("anvil_setBalance", stranger.address, hex(10**24))
    for nonce, operation in enumerate(operations):
        signed = sign_transaction(
            stranger,
            chain_id=31337,
            nonce=nonce,
            to=ledger.network.contract,
            data=encode_call(operation),
            offer=Offer(gas=500_000, max_fee=10**11, tip=10**9),
        )
        chain.send(signed.raw, time=0)
    ledger.network.mine()
