"""Values of Solidity's types: checked, as EIP-712's 32-byte words, and read from JSON. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from eth_hash.auto import keccak

from ledger.address import checksum_address
from ledger.errors import TypedDataError

_HEX: Final = {
    "bytes32": (re.compile(r"0x[0-9a-fA-F]{64}"), "32 bytes: 0x and 64 hexadecimal digits"),
    "bytes": (re.compile(r"0x(?:[0-9a-fA-F]{2})*"), "bytes: 0x and two hexadecimal digits each"),
}


def checked(field: str, kind: str, value: object) -> Any:
    """Return the canonical form of a member's value; TypedDataError names the field at fault."""
    if kind == "address":
        return checksum_address(field, value)
    if kind == "bytes32":
        if not isinstance(value, bytes) or len(value) != 32:
            size = f"{len(value)} bytes" if isinstance(value, bytes) else type(value).__name__
            raise TypedDataError(field, f"must be 32 bytes, is {size}")
        return bytes(value)
    if kind == "bytes":
        if not isinstance(value, bytes):
            raise TypedDataError(field, f"must be bytes, is {type(value).__name__}")
        return bytes(value)
    if kind == "string":
        return _checked_text(field, value)
    bits = int(kind.removeprefix("uint"))
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise TypedDataError(field, f"{value!r} is not an integer from 0 to 2^{bits} - 1")
    return int(value)


def _checked_text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypedDataError(field, f"must be text, is {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TypedDataError(field, "must be valid Unicode") from None
    return value


def word(kind: str, value: Any) -> bytes:
    """Encode one member as EIP-712's 32-byte word."""
    if kind == "address":
        return bytes(12) + bytes.fromhex(value[2:])
    if kind == "bytes32":
        return bytes(value)
    if kind == "bytes":
        return keccak(value)
    if kind == "string":
        return keccak(value.encode())
    return int(value).to_bytes(32, "big")


def from_json(field: str, kind: str, value: object) -> object:
    """Return a member as JSON holds it, bytes from 0x-hex; TypedDataError names the field at fault."""
    if kind not in _HEX:
        return value
    pattern, wanted = _HEX[kind]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise TypedDataError(field, f"{value!r} is not {wanted}")
    return bytes.fromhex(value[2:])
