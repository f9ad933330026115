"""Proofs that an event is in a block: the trie, the header, and both together from a real node's answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.block_header import decode_header, encode_header
from ledger.chain import ChainError, Log, RefusedError
from ledger.evidence import EvidenceError
from ledger.merkle_trie import MerkleTrie, proven
from ledger.receipt_proof import ReceiptProof, prove
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import Network, Stage, embedded_stage

EMPTY_ROOT = "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
PUBLISHED = [
    ({}, EMPTY_ROOT),
    (
        {"doe": "reindeer", "dog": "puppy", "dogglesworth": "cat"},
        "8aad789dff2f538bca5d8ea56e8abe10f4c7ba3a5dea95fea4cd6e7c3a1168d3",
    ),
    (
        {"do": "verb", "horse": "stallion", "doge": "coin", "dog": "puppy"},
        "5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84",
    ),
]
VALUES = st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=300)


def index_trie(values: list[bytes]) -> MerkleTrie:
    return MerkleTrie({rlp.encode(index): value for index, value in enumerate(values)})


class TestMerkleTrie:
    @pytest.mark.parametrize(("items", "root"), PUBLISHED)
    def test_has_the_published_roots(self, items: dict[str, str], root: str) -> None:
        """Vectors of Ethereum's own test suite (trieanyorder)."""
        assert MerkleTrie({k.encode(): v.encode() for k, v in items.items()}).root.hex() == root

    @settings(max_examples=40, deadline=None)
    @given(VALUES, st.data())
    def test_proves_each_value_and_no_other(self, values: list[bytes], data: st.DataObject) -> None:
        trie = index_trie(values)
        index = data.draw(st.integers(0, len(values) - 1))
        proof = trie.proof(rlp.encode(index))
        assert proven(trie.root, rlp.encode(index), proof) == values[index]
        other = data.draw(st.integers(0, len(values) + 5).filter(lambda number: number != index))
        shown = proven(trie.root, rlp.encode(other), proof)
        assert shown is None or shown == values[other], "nodes too short for a hash are in their parent's"

    def test_has_no_proof_of_what_is_not_there(self) -> None:
        with pytest.raises(KeyError):
            index_trie([b"one"]).proof(rlp.encode(1))


class TestProven:
    def test_refuses_every_other_list_of_nodes(self) -> None:
        trie = index_trie([bytes([index]) * 40 for index in range(200)])
        key = rlp.encode(150)
        proof = trie.proof(key)
        assert len(proof) > 2
        others = [proof[:-1], proof[1:], (*proof, proof[-1]), proof[::-1], ()]
        for place, node in enumerate(proof):
            others += [
                (
                    *proof[:place],
                    node[:byte] + bytes([node[byte] ^ 1]) + node[byte + 1 :],
                    *proof[place + 1 :],
                )
                for byte in range(len(node))
            ]
        assert [other for other in others if proven(trie.root, key, other) is not None] == []

    def test_refuses_what_is_no_node(self) -> None:
        for junk in (b"", b"\x80", rlp.encode([b""] * 3), rlp.encode([b"\x20"]), rlp.encode([b"", b"x"])):
            assert proven(keccak(junk), b"\x01", [junk]) is None


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with embedded_stage(tmp_path_factory.mktemp("proofs")) as running:
        licence = running.open_licence(prints=30)
        running.settle(*[running.cast.record(licence, number) for number in range(1, 31)])
        running.settle(running.cast.report(licence, 1), running.cast.revoke(licence))
        yield running


@pytest.fixture
def node(stage: Stage) -> Web3Chain:
    return Web3Chain.http(str(stage.runtime.rpc_url))


def logs_of(stage: Stage, node: Web3Chain) -> list[Log]:
    return node.logs(stage.cast.domain.contract, 0, node.head().number)


class TestEncodeHeader:
    def test_has_the_hash_of_every_block(self, node: Web3Chain) -> None:
        for number in range(node.head().number + 1):
            block = node.tell("eth_getBlockByNumber", hex(number), False)
            header = decode_header(encode_header(block))
            assert header is not None
            assert (header.number, "0x" + header.hash.hex()) == (number, block["hash"])
            assert header.time == int(block["timestamp"], 16)

    def test_refuses_an_answer_that_does_not_have_its_hash(self, node: Web3Chain) -> None:
        block = node.tell("eth_getBlockByNumber", "0x1", False)
        for name, value in (("gasUsed", "0x1"), ("slotNumber", "0x1"), ("receiptsRoot", "0x" + "00" * 32)):
            with pytest.raises(ChainError, match="does not have this hash"):
                encode_header(block | {name: value})
        with pytest.raises(ChainError, match="is no block"):
            encode_header({"hash": "0x"})


class TestProve:
    def test_proves_every_event(self, stage: Stage, node: Web3Chain) -> None:
        logs = logs_of(stage, node)
        assert len(logs) == 35
        for log in logs:
            proof = ReceiptProof.from_json(prove(node, log.block_number, log.index).to_json())
            shown = proof.verify()
            assert (shown.address, shown.topics, shown.data) == (log.address, log.topics, log.data)
            assert (shown.block.number, shown.block.hash) == (log.block_number, log.block_hash)

    def test_asks_receipt_by_receipt_where_the_node_knows_no_better(
        self, stage: Stage, node: Web3Chain
    ) -> None:
        class Old:
            def tell(self, method: str, *params: object) -> Any:
                if method == "eth_getBlockReceipts":
                    raise RefusedError("no such method")
                return node.tell(method, *params)

        log = logs_of(stage, node)[-1]
        assert prove(Old(), log.block_number, log.index) == prove(node, log.block_number, log.index)

    def test_proves_among_many_receipts_of_several_types(self, tmp_path: Path) -> None:
        """A block as networks have them: failed and plain transactions before ours, of three types."""
        network = Network(tmp_path)
        account = "0x" + "77" * 20
        network.chain.tell("anvil_impersonateAccount", account)
        network.chain.tell("anvil_setBalance", account, hex(10**20))
        common, price = {"from": account, "gas": "0x186a0"}, hex(10**10)
        dynamic = {"maxFeePerGas": price, "maxPriorityFeePerGas": price}
        kinds = [{"gasPrice": price}, {"gasPrice": price, "accessList": []}, dynamic]
        for number in range(140):
            kind = kinds[number % 3]
            to = network.contract if number % 10 == 0 else account
            network.chain.tell("eth_sendTransaction", common | kind | {"to": to, "value": "0x0"})
        wrapped = network.chain.tell(
            "eth_sendTransaction", common | dynamic | {"data": "0x60006000a0600160006000a100"}
        )
        network.mine()
        receipt = network.chain.tell("eth_getTransactionReceipt", wrapped)
        number, place = int(receipt["blockNumber"], 16), int(receipt["transactionIndex"], 16)
        assert place > 128
        proof = prove(network.chain, number, 1)
        assert (proof.transaction_index, proof.log) == (place, 1)
        assert proof.verify().topics == (bytes(31) + b"\1",)

    def test_refuses_a_node_that_lies(self, stage: Stage, node: Web3Chain) -> None:
        class Liar:
            def tell(self, method: str, *params: object) -> Any:
                answer = node.tell(method, *params)
                if method == "eth_getBlockReceipts":
                    answer[0]["logs"][0]["data"] = "0x" + "11" * 64
                return answer

        log = logs_of(stage, node)[-1]
        with pytest.raises(ChainError, match="do not have the root"):
            prove(Liar(), log.block_number, log.index)
        with pytest.raises(ChainError, match="no log 99"):
            prove(node, log.block_number, 99)
        with pytest.raises(ChainError, match="no block"):
            prove(node, 10**6, 0)


class TestVerify:
    def test_refuses_every_altered_byte(self, stage: Stage, node: Web3Chain) -> None:
        """A byte of the header may change and still be a header: then its hash is another block's."""
        log = logs_of(stage, node)[7]
        proof = prove(node, log.block_number, log.index)
        for place in range(len(proof.header)):
            header = bytearray(proof.header)
            header[place] ^= 1
            try:
                shown = replace(proof, header=bytes(header)).verify()
            except EvidenceError:
                continue
            assert shown.block.hash != log.block_hash
        (only,) = proof.nodes
        for place in range(len(only)):
            node_ = only[:place] + bytes([only[place] ^ 1]) + only[place + 1 :]
            with pytest.raises(EvidenceError, match=r"^nodes"):
                replace(proof, nodes=(node_,)).verify()

    def test_refuses_another_place(self, stage: Stage, node: Web3Chain) -> None:
        log = logs_of(stage, node)[-1]
        proof = prove(node, log.block_number, log.index)
        with pytest.raises(EvidenceError, match=r"^nodes"):
            replace(proof, transaction_index=1).verify()
        with pytest.raises(EvidenceError, match=r"^log"):
            replace(proof, log=500).verify()

    def test_refuses_a_transaction_that_was_reverted(self) -> None:
        receipt = b"\x02" + rlp.encode([b"", b"\x01", bytes(256), []])
        trie = index_trie([receipt])
        fields = [bytes(32)] * 5 + [trie.root] + [b""] * 15
        proof = ReceiptProof(rlp.encode(fields), 0, 0, trie.proof(rlp.encode(0)))
        with pytest.raises(EvidenceError, match="reverted"):
            proof.verify()

    def test_refuses_members_that_contradict_the_header(self, stage: Stage, node: Web3Chain) -> None:
        log = logs_of(stage, node)[-1]
        document = prove(node, log.block_number, log.index).to_json()
        for name in ("number", "hash", "time"):
            with pytest.raises(EvidenceError, match=f"^{name}"):
                ReceiptProof.from_json(document | {name: document[name] * 2})
