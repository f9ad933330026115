"""Headers of blocks as the bytes that a block's hash is of.

Ethereum yellow paper, section 4.3, with the fields of later hard forks: London (EIP-1559), Shanghai
(EIP-4895), Cancun (EIP-4844, EIP-4788), Prague and Osaka (EIP-7685), Amsterdam (EIP-7928, EIP-7843). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak
from rlp.exceptions import DecodingError  # type: ignore[import-untyped]

from ledger.chain import ChainError

_NUMBERS: Final = frozenset(
    {
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
        "slotNumber",
    }
)
_ALWAYS: Final = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
)
_LATER: Final = (
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
    "blockAccessListHash",
    "slotNumber",
)


@dataclass(frozen=True)
class BlockHeader:
    """What a header says: its place, its time (Unix seconds), and the root of its receipts' trie."""

    number: int
    hash: bytes
    time: int
    receipts_root: bytes


def encode_header(block: Mapping[str, Any]) -> bytes:
    """Return the header of a block as `eth_getBlockByNumber` describes it, in RLP.

    Raises ChainError where the bytes do not have the block's hash: the node's answer is wrong, or its chain
    has header fields that are not known here.
    """
    try:
        names = [*_ALWAYS, *(name for name in _LATER if block.get(name) is not None)]
        encoded = bytes(rlp.encode([_field(name, block[name]) for name in names]))
        named = bytes.fromhex(block["hash"][2:])
    except (KeyError, ValueError, TypeError, AttributeError) as problem:
        raise ChainError(f"the node's answer is no block: {problem!r}") from problem
    if keccak(encoded) != named:
        raise ChainError(
            f"the header of block 0x{named.hex()} does not have this hash; it may have fields of a newer fork"
        )
    return encoded


def decode_header(encoded: bytes) -> BlockHeader | None:
    """Read a header's bytes; None where they are no header."""
    try:
        fields = rlp.decode(encoded)
    except DecodingError:
        return None
    if not isinstance(fields, list) or len(fields) < len(_ALWAYS):
        return None
    if not all(isinstance(field, bytes) for field in fields):
        return None
    said = dict(zip(_ALWAYS, fields, strict=False))
    return BlockHeader(
        number=int.from_bytes(said["number"], "big"),
        hash=keccak(encoded),
        time=int.from_bytes(said["timestamp"], "big"),
        receipts_root=said["receiptsRoot"],
    )


def _field(name: str, value: str) -> bytes:
    if name not in _NUMBERS:
        return bytes.fromhex(value[2:])
    number = int(value, 16)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
