"""Which prints the contract calls reported: read from its storage, 256 prints to a word.

`isReported` answers for one print; a long history has a hundred thousand. The contract's code is pinned, and
with it where it keeps what: `_reported[licence][(sequence - 1) / 256]`, bit `(sequence - 1) % 256`, the
mapping of mappings at slot 5 (Solidity, "Layout of state variables in storage": the value of key k in a
mapping at slot p lies at keccak256(k ‖ p)). A test holds this beside `isReported`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from eth_hash.auto import keccak

from ledger.chain import Chain

_SLOT: Final = 5
_WORD_BITS: Final = 256


def reported(
    chain: Chain, contract: str, printed: Mapping[bytes, Collection[int]]
) -> dict[bytes, frozenset[int]]:
    """Return, by licence, the sequence numbers that the contract has an outcome of.

    `printed` are the numbers to look for; others in the same words are told too. Raises ChainError.
    """
    words = sorted(
        {(licence, (n - 1) // _WORD_BITS) for licence, numbers in printed.items() for n in numbers}
    )
    found: dict[bytes, set[int]] = {licence: set() for licence in printed}
    answers = chain.storage(contract, [_slot(licence, word) for licence, word in words])
    for (licence, word), bits in zip(words, answers, strict=True):
        first = word * _WORD_BITS + 1
        found[licence] |= {first + bit for bit in range(_WORD_BITS) if bits >> bit & 1}
    return {licence: frozenset(numbers) for licence, numbers in found.items()}


def _slot(licence: bytes, word: int) -> bytes:
    return keccak(word.to_bytes(32, "big") + keccak(licence + _SLOT.to_bytes(32, "big")))
