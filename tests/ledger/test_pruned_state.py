"""What a node answers whose states are gone: asked again where it only mined on, refused otherwise; and the
tests' networks, which must not lose any.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.abi import encode_query
from ledger.anvil import AnvilOptions, native_binary, spawn
from ledger.chain import NoOutputError, RefusedError
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import ANVIL, Network

IDENTITY = "0x" + "00" * 19 + "04"
"""The precompile that answers what it is asked."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Web3Chain]:
    running = spawn(native_binary(ANVIL), tmp_path, AnvilOptions(31337, 1_700_000_000))
    yield Web3Chain.local(lambda: running.socket_path)
    running.kill()


class TestCall:
    def test_asks_again_where_the_node_mined_on(self, node: Web3Chain) -> None:
        newest = node.head().number
        node.tell("evm_mine")
        assert node.call(IDENTITY, b"\x12", block=newest) == b"\x12"

    def test_refuses_a_block_that_is_not_there_yet(self, node: Web3Chain) -> None:
        with pytest.raises(RefusedError, match="BlockOutOfRange"):
            node.call(IDENTITY, b"\x12", block=9)

    def test_refuses_a_state_long_gone(self, node: Web3Chain) -> None:
        node.tell("anvil_mine", hex(100))
        with pytest.raises(RefusedError, match="BlockOutOfRange"):
            node.call(IDENTITY, b"\x12", block=3)

    def test_refuses_an_empty_output(self, node: Web3Chain) -> None:
        nobody = "0x" + "22" * 20
        with pytest.raises(NoOutputError, match=nobody):
            node.call(nobody, b"\x12")
        with pytest.raises(NoOutputError, match=nobody):
            node.query(nobody, [b"\x01", b"\x02"])

    def test_answers_while_blocks_come(self, node: Web3Chain) -> None:
        stop = threading.Event()

        def mine() -> None:
            while not stop.wait(0.002):
                node.tell("evm_mine")

        miner = threading.Thread(target=mine)
        miner.start()
        try:
            for _ in range(100):
                assert node.query(IDENTITY, [b"\x01", b"\x02"]) == [b"\x01", b"\x02"]
                assert node.call(IDENTITY, b"\x03", block=node.head().number) == b"\x03"
        finally:
            stop.set()
            miner.join()


class TestHistory:
    def test_a_reorg_onto_an_old_block_keeps_the_contract(self, tmp_path: Path) -> None:
        """anvil's own limit is 500 states; onto an older one it reorganises as if nothing had been there."""
        network = Network(tmp_path)
        try:
            network.chain.tell("anvil_mine", hex(520))
            network.chain.tell("anvil_reorg", 510, [])
            question = encode_query("revisionOwner", bytes(32))
            assert network.chain.call(network.contract, question) == bytes(32)
        finally:
            network.node.kill()
