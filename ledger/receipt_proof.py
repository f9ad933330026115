"""Proofs that an event is in a block: its receipt's place in the block's receipt trie, and the header.

A header's bytes have the block's hash, and name the root of the trie of all receipts in it (EIP-2718: a typed
receipt's first byte is its transaction's type). Who knows the block's hash needs nobody's word for the event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import rlp  # type: ignore[import-untyped]
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

from ledger.address import checksum_address
from ledger.block_header import BlockHeader, decode_header, encode_header
from ledger.chain import ChainError, RefusedError
from ledger.evidence import EvidenceError
from ledger.merkle_trie import MerkleTrie, proven

_MEMBERS: Final = ("number", "hash", "time", "header", "transaction_index", "log", "nodes")
_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})*")
_INDEX_MAX: Final = 1 << 32
_FIRST_OF_A_LIST: Final = 0xC0


class Node(Protocol):
    """A node to ask in its own words; `ledger.web3_chain.Web3Chain` is one."""

    def tell(self, method: str, *params: object) -> Any:
        """Make one JSON-RPC request and return its result; ChainError where it fails."""
        ...


@dataclass(frozen=True)
class ProvenLog:
    """A log that a proof shows, and the block that it is in if the header is one of the chain's."""

    block: BlockHeader
    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class ReceiptProof:
    """That log `log` (counted from 0 within its receipt) of transaction `transaction_index` is in a block."""

    header: bytes
    transaction_index: int
    log: int
    nodes: tuple[bytes, ...]

    def verify(self) -> ProvenLog:
        """Return the log that is proven; EvidenceError names the part that does not fit.

        1. The header's bytes are a header; its hash is theirs.
        2. The nodes lead from its receipts root to the receipt of this transaction, none missing or left.
        3. That receipt says that the transaction ran through.
        4. It holds this log.

        That the block is one of the chain is the caller's to ask.
        """
        # (1) the header
        block = decode_header(self.header)
        if block is None:
            raise EvidenceError("header", "is no header of a block")
        # (2) the way to the receipt
        receipt = proven(block.receipts_root, _key(self.transaction_index), self.nodes)
        if receipt is None:
            raise EvidenceError(
                "nodes", "do not lead from the header to the receipt at this transaction_index"
            )
        # (3) its status
        status, logs = _status_and_logs(receipt)
        if status != b"\x01":
            raise EvidenceError("nodes", "prove a transaction that was reverted")
        # (4) the log
        if self.log >= len(logs):
            raise EvidenceError("log", f"the receipt has {len(logs)} logs, no number {self.log}")
        address, topics, data = logs[self.log]
        return ProvenLog(block, checksum_address("address", "0x" + address.hex()), tuple(topics), data)

    def to_json(self) -> dict[str, Any]:
        """Return the proof with what its header says of the block, for people to read."""
        block = decode_header(self.header)
        if block is None:
            raise EvidenceError("header", "is no header of a block")
        return {
            "number": block.number,
            "hash": _hex(block.hash),
            "time": block.time,
            "header": _hex(self.header),
            "transaction_index": self.transaction_index,
            "log": self.log,
            "nodes": [_hex(node) for node in self.nodes],
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read what `to_json` wrote, in that spelling alone; EvidenceError names the member at fault."""
        if not isinstance(data, Mapping):
            raise EvidenceError("proof", "must be an object")
        for name in sorted({*_MEMBERS} ^ {*data}):
            raise EvidenceError(str(name), "is missing or does not belong here")
        if not isinstance(data["nodes"], list):
            raise EvidenceError("nodes", "must be a list")
        proof = cls(
            header=_bytes("header", data["header"]),
            transaction_index=_index("transaction_index", data["transaction_index"]),
            log=_index("log", data["log"]),
            nodes=tuple(_bytes("nodes", node) for node in data["nodes"]),
        )
        derived = proof.to_json()
        for name in ("number", "hash", "time"):
            if data[name] != derived[name] or type(data[name]) is not type(derived[name]):
                raise EvidenceError(f"{name}, header", f"the header says {name} {derived[name]}")
        return proof


def prove(node: Node, block_number: int, log_index: int) -> ReceiptProof:
    """Make the proof of log `log_index` (counted through the block, as nodes do) from a node's answers.

    Raises ChainError where the node lacks the block or the log, or its receipts are not the header's.
    """
    block = node.tell("eth_getBlockByNumber", hex(block_number), False)
    if not isinstance(block, Mapping):
        raise ChainError(f"the node has no block {block_number}")
    header = encode_header(block)
    receipts = _receipts(node, block)
    try:
        trie = MerkleTrie({_key(place): _encoded(receipt) for place, receipt in enumerate(receipts)})
        for place, receipt in enumerate(receipts):
            for log, item in enumerate(receipt["logs"]):
                if int(item["logIndex"], 16) == log_index:
                    _require_root(trie, header, block_number)
                    return ReceiptProof(header, place, log, trie.proof(_key(place)))
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise ChainError(f"the node's receipts of block {block_number} are none: {problem!r}") from problem
    raise ChainError(f"the node has no log {log_index} in block {block_number}")


def _require_root(trie: MerkleTrie, header: bytes, block_number: int) -> None:
    said = decode_header(header)
    if said is None or trie.root != said.receipts_root:
        raise ChainError(f"the node's receipts of block {block_number} do not have the root of its header")


def _receipts(node: Node, block: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return all receipts of a block, one by one from nodes that do not give them at once."""
    try:
        found = node.tell("eth_getBlockReceipts", block["number"])
    except RefusedError:
        found = [node.tell("eth_getTransactionReceipt", name) for name in block["transactions"]]
    if not isinstance(found, list) or not all(isinstance(item, Mapping) for item in found):
        raise ChainError(f"the node does not give the receipts of block {block['number']}")
    return found


def _encoded(receipt: Mapping[str, Any]) -> bytes:
    """Return a receipt as the trie holds it (EIP-2718)."""
    status = receipt["status"] if receipt.get("status") is not None else receipt["root"]
    logs = [[_raw(log["address"]), [_raw(topic) for topic in log["topics"]], _raw(log["data"])]
            for log in receipt["logs"]]  # fmt: skip
    used = int(receipt["cumulativeGasUsed"], 16)
    outcome = _number(int(status, 16)) if len(status) < 66 else _raw(status)
    body = bytes(rlp.encode([outcome, _number(used), _raw(receipt["logsBloom"]), logs]))
    kind = int(receipt.get("type") or "0x0", 16)
    return bytes([kind]) + body if kind else body


def _status_and_logs(receipt: bytes) -> tuple[bytes, list[Any]]:
    body = receipt if receipt[0] >= _FIRST_OF_A_LIST else receipt[1:]
    try:
        status, _, _, logs, *_ = rlp.decode(body)
        for address, topics, data in logs:
            if len(address) != 20 or not isinstance(topics, list) or not isinstance(data, bytes):
                raise ValueError("this is no log")
    except (DecodingError, ValueError, TypeError) as problem:
        raise EvidenceError("nodes", "lead to something that is no receipt") from problem
    return status, logs


def _key(transaction_index: int) -> bytes:
    return bytes(rlp.encode(transaction_index))


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(name: str, value: object) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise EvidenceError(name, "must be 0x and pairs of hexadecimal digits in lower case")
    return bytes.fromhex(value[2:])


def _index(name: str, value: object) -> int:
    if type(value) is not int or not 0 <= value < _INDEX_MAX:
        raise EvidenceError(name, "must be an integer from 0 to 2^32 - 1")
    return value
