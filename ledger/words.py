"""Answers of fixed length, read word by word: what the contract's views return, at every print.

eth_abi reads them too, and takes thirty times as long. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ledger.errors import TypedDataError

_WORD = 32
Reader: TypeAlias = Callable[[bytes], tuple[Any, ...]]
_Part: TypeAlias = Callable[[bytes, int], Any]


def reader(name: str, outputs: Sequence[Mapping[str, Any]]) -> Reader | None:
    """Return what reads outputs of the ABI into a tuple, None where their length is not fixed.

    A struct is a tuple of its members, an address lower-case hex. The reader raises TypedDataError for an
    answer of another length, or with a word that its type cannot hold.
    """
    parts = [_part(member) for member in outputs]
    fixed = [part for part in parts if part is not None]
    if len(fixed) < len(parts):
        return None
    size = sum(words for words, _ in fixed) * _WORD

    def read(data: bytes) -> tuple[Any, ...]:
        if len(data) != size:
            raise TypedDataError(name, f"the answer has {len(data)} bytes, not the {size} of this contract's")
        try:
            return _in_turn(fixed, data, 0)
        except ValueError as error:
            raise TypedDataError(name, f"the answer 0x{data[:64].hex()} is not this contract's") from error

    return read


def _part(member: Mapping[str, Any]) -> tuple[int, _Part] | None:
    """Return how many words a member takes, and what reads them."""
    kind = str(member["type"])
    if kind == "tuple":
        parts = [_part(component) for component in member["components"]]
        fixed = [part for part in parts if part is not None]
        if len(fixed) < len(parts):
            return None
        return sum(words for words, _ in fixed), lambda data, at: _in_turn(fixed, data, at)
    if kind == "bytes32":
        return 1, lambda data, at: data[at : at + _WORD]
    if kind == "address":
        return 1, lambda data, at: f"0x{_number(data, at, 160):040x}"
    if kind == "bool":
        return 1, lambda data, at: bool(_number(data, at, 1))
    if kind.startswith("uint") and kind[4:].isdigit():
        bits = int(kind[4:])
        return 1, lambda data, at: _number(data, at, bits)
    return None


def _in_turn(parts: Sequence[tuple[int, _Part]], data: bytes, at: int) -> tuple[Any, ...]:
    values = []
    for words, part in parts:
        values.append(part(data, at))
        at += words * _WORD
    return tuple(values)


def _number(data: bytes, at: int, bits: int) -> int:
    value = int.from_bytes(data[at : at + _WORD], "big")
    if value >> bits:
        raise ValueError(f"{value} has more than {bits} bits")
    return value
