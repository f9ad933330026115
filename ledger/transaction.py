"""Signed transactions of the relay's account: EIP-1559 envelopes, their hashes, and the address a deployment
gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import rlp  # type: ignore[import-untyped]
from eth_hash.auto import keccak

from ledger.address import address_of_bytes
from ledger.signer import AccountKey

_TYPE: Final = b"\x02"
_NO_ACCESS_LIST: Final[list[bytes]] = []


@dataclass(frozen=True, slots=True)
class Offer:
    """What a transaction pays at most: fee and tip in wei a unit of gas, gas in units."""

    gas: int
    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """The bytes to send and the hash they will be known by."""

    hash: bytes
    raw: bytes


def sign_transaction(
    key: AccountKey, *, chain_id: int, nonce: int, to: str | None, data: bytes, offer: Offer
) -> SignedTransaction:
    """Sign a type-2 transaction that moves no ether; `to` None deploys `data` as creation code."""
    target = b"" if to is None else bytes.fromhex(to[2:])
    fields = [
        chain_id,
        nonce,
        offer.tip,
        offer.max_fee,
        offer.gas,
        target,
        0,
        data,
        _NO_ACCESS_LIST,
    ]
    signature = key.sign(keccak(_TYPE + rlp.encode(fields)))
    r, s = (int.from_bytes(signature[start : start + 32], "big") for start in (0, 32))
    raw = _TYPE + rlp.encode([*fields, signature[64] - 27, r, s])
    return SignedTransaction(keccak(raw), raw)


def contract_address(deployer: str, nonce: int) -> str:
    """Return the EIP-55 address that a deployment of an account's nonce gets."""
    return address_of_bytes(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[12:])
