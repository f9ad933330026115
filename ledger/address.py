"""Account addresses in one spelling (EIP-55)."""

from __future__ import annotations

import re
from functools import lru_cache

from eth_hash.auto import keccak

from ledger.errors import TypedDataError

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def checksum_address(field: str, value: object) -> str:
    """Return an account address in EIP-55 spelling; TypedDataError names `field` if it is none.

    One case throughout is accepted; mixed case must be the right checksum.
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise TypedDataError(field, f"{value!r} is not an address: 0x and 40 hexadecimal digits")
    digits = value[2:]
    spelled = _spell(digits.lower())
    if value != spelled and digits not in (digits.lower(), digits.upper()):
        raise TypedDataError(field, f"{value} has a wrong EIP-55 checksum; a digit may be mistyped")
    return spelled


def address_of_bytes(raw: bytes) -> str:
    """Return the EIP-55 spelling of an address's 20 bytes."""
    if len(raw) != 20:
        raise TypedDataError("address", f"must be 20 bytes, is {len(raw)}")
    return _spell(raw.hex())


def address_of_key(public_key: bytes) -> str:
    """Return the address of a secp256k1 public key given as 64 bytes, x ‖ y."""
    if len(public_key) != 64:
        raise TypedDataError("public_key", f"must be 64 bytes, is {len(public_key)}")
    return _spell(keccak(public_key)[12:].hex())


@lru_cache(maxsize=4096)
def _spell(digits: str) -> str:
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if m >= "8" else d for d, m in zip(digits, mask, strict=False))
