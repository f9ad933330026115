"""How the calls of a batch are packed: prints, of which there are most, in less than half their bytes.

The layout stands at `batch` in `contracts/src/IPrintLedger.sol`. Licences and printers' keys that prints
share lie once in a table of words. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from eth_hash.auto import keccak

from ledger.errors import TypedDataError

CALL, PRINT = 0, 1
"""The kinds of items: any call, a call of `recordPrint`."""

RECORD_PRINT: Final = keccak(
    b"recordPrint((bytes32,uint32,bytes32,uint64),(bytes32,bytes32,bytes32,bytes32))"
)[:4]
_CALL_HEAD: Final = struct.Struct(">BH")
_PRINT_HEAD: Final = struct.Struct(">BHHIQ")
PRINT_CALL: Final = 4 + 8 * 32
_PLACES: Final = 1 << 16


def pack(calls: Sequence[bytes]) -> tuple[list[bytes], bytes]:
    """Return the words and the items of a batch of encoded calls, in order.

    Raises TypedDataError for a call of 64 KiB or more, or more words than a batch can name.
    """
    table = _Table()
    items = b"".join(_pack_print(call, table) or _pack_call(call) for call in calls)
    return table.words, items


def unpack(words: Sequence[bytes], items: bytes) -> list[bytes]:
    """Return the encoded calls of a batch; TypedDataError where the contract calls the batch malformed."""
    calls: list[bytes] = []
    at = 0
    while at < len(items):
        try:
            call, at = _unpack_one(words, items, at)
        except (struct.error, IndexError) as error:
            raise TypedDataError("items", f"item {len(calls)} of the batch is malformed: {error}") from error
        calls.append(call)
    return calls


class _Table:
    """The words of a batch, each run of them once."""

    def __init__(self) -> None:
        self.words: list[bytes] = []
        self._places: dict[tuple[bytes, ...], int] = {}

    def place(self, *run: bytes) -> int:
        """Return where words that follow each other stand in the table, added if they are new."""
        if run not in self._places:
            self._places[run] = len(self.words)
            self.words += run
            if len(self.words) > _PLACES:
                raise TypedDataError("words", f"a batch names at most {_PLACES} words; make it smaller")
        return self._places[run]


def _pack_call(call: bytes) -> bytes:
    if len(call) >= _PLACES:
        raise TypedDataError("call", f"is {len(call)} bytes; an item has less than {_PLACES}, send it singly")
    return _CALL_HEAD.pack(CALL, len(call)) + call


def _pack_print(call: bytes, table: _Table) -> bytes | None:
    """Return the item for a call of `recordPrint`, None for another, or a claim out of range."""
    if call[:4] != RECORD_PRINT or len(call) != PRINT_CALL:
        return None
    words = [call[at : at + 32] for at in range(4, len(call), 32)]
    licence, sequence, token, deadline, key_x, key_y, r, s = words
    if any(sequence[:28]) or any(deadline[:24]):
        return None
    number, until = int.from_bytes(sequence, "big"), int.from_bytes(deadline, "big")
    head = _PRINT_HEAD.pack(PRINT, table.place(licence), table.place(key_x, key_y), number, until)
    return head + token + r + s


def _unpack_one(words: Sequence[bytes], items: bytes, at: int) -> tuple[bytes, int]:
    """Return the call of the item at a place, and where the next one starts."""
    if items[at] == CALL:
        _, length = _CALL_HEAD.unpack_from(items, at)
        return _cut(items, at + _CALL_HEAD.size, length)
    if items[at] != PRINT:
        raise IndexError(f"{items[at]} is no kind of item")
    _, licence, key, sequence, deadline = _PRINT_HEAD.unpack_from(items, at)
    body, after = _cut(items, at + _PRINT_HEAD.size, 96)
    claim = (words[licence], sequence.to_bytes(32, "big"), body[:32], deadline.to_bytes(32, "big"))
    return b"".join((RECORD_PRINT, *claim, words[key], words[key + 1], body[32:])), after


def _cut(items: bytes, start: int, length: int) -> tuple[bytes, int]:
    if start + length > len(items):
        raise IndexError(f"{length} bytes are due and {len(items) - start} there")
    return items[start : start + length], start + length
