"""Many views of one contract in a single `eth_call`, for a node that takes code for the length of a call.

The node runs a little program at an address where nothing is: it takes calls of 36 bytes (a selector and a
word) one after the other, makes each of them, and returns each answer after a word with its length. A view
that reverts reverts them all. Where a request costs more than what it asks, a hundred views cost one. Pure.
"""

from __future__ import annotations

from typing import Final

from ledger.chain import ChainError

CALL_BYTES: Final = 36
PLACE: Final = "0x" + "00" * 18 + "7076"
"""Where the program runs; no key is known to lead there."""

_WORD: Final = 32
_PROGRAM: Final = (
    "5f5f"  # where in the calls, where in the memory
    "5b368210600b575ff3"  # 2: while there are calls; then return the memory
    "5b60248282602001375f5f60248360200173{contract}5afa6039575f5ffd"  # 11: copy a call, make it, or revert
    "5b3d81526020013d5f823e3d019060240190600256"  # 57: the answer's length, the answer; on with the next
)


def program(contract: str) -> str:
    """Return the program that asks one contract, in hex."""
    return "0x" + _PROGRAM.format(contract=contract[2:].lower())


def answers(memory: bytes, count: int) -> list[bytes]:
    """Take apart what the program returned; ChainError where that is not so many answers."""
    found, at = [], 0
    while at < len(memory):
        size = int.from_bytes(memory[at : at + _WORD], "big")
        at += _WORD + size
        found.append(memory[at - size : at])
    if len(found) != count or at != len(memory):
        raise ChainError(f"the node gave {len(found)} answers in {len(memory)} bytes to {count} views")
    return found
