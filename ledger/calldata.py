"""Calls of the contract read back: from a transaction's data to the signed operations in it.

The reverse of `ledger.abi.encode_call` and `encode_batch`, for whoever has only the chain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from ledger.artifact import artifact, signature_of, type_of
from ledger.batch import PRINT_CALL, RECORD_PRINT, unpack
from ledger.errors import LedgerError, TypedDataError
from ledger.operations import (
    Enrol,
    Grant,
    Operation,
    Publish,
    RecordOutcome,
    RecordPlate,
    RecordPrint,
    Retire,
    Revoke,
    Transfer,
)
from ledger.typed_data import (
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Publication,
    Retirement,
    print_id,
)

_BATCH: Final = "batch"


def _outcome(licence: bytes, sequence: int, result: int, report: bytes, signed: Any) -> RecordOutcome:
    key_x, key_y, r, s = signed
    outcome = PrintOutcome(print_id(licence, sequence), result, report)
    return RecordOutcome(licence, sequence, outcome, key_x, key_y, r + s)


def _transfer(origin: Any, provider: str, prints: int, salt: bytes, *signatures: bytes) -> Transfer:
    licence = Licence(*origin)
    statement = PrintTransfer(licence.struct_hash(), provider, prints, salt)
    return Transfer(licence, statement, *signatures)


def _print(claim: Any, signed: Any, proof: Any = ()) -> RecordPrint:
    key_x, key_y, r, s = signed
    return RecordPrint(PrintClaim(*claim), key_x, key_y, r + s, tuple(proof))


def _plate(claims: Any, signed: Any, proofs: Any) -> RecordPlate:
    key_x, key_y, r, s = signed
    members = tuple(PrintClaim(*claim) for claim in claims)
    return RecordPlate(members, key_x, key_y, r + s, tuple(map(tuple, proofs)))


_BUILDERS: Final[Mapping[str, Callable[..., Operation]]] = {
    "publish": lambda publication, signature: Publish(Publication(*publication), signature),
    "grant": lambda licence, signature: Grant(Licence(*licence), signature),
    "revoke": lambda licence, signature: Revoke(Licence(*licence), signature),
    "transfer": _transfer,
    "enrol": lambda enrolment, signature, r, s: Enrol(Enrolment(*enrolment), signature, r + s),
    "retire": lambda retirement, signature: Retire(Retirement(*retirement), signature),
    "recordPrint": _print,
    "recordListedPrint": _print,
    "recordPlate": _plate,
    "recordOutcome": _outcome,
}


def operations_in(data: bytes) -> list[Operation | None]:
    """Return what a call of the contract asks for: each item of a batch, or the one call.

    None stands for an item that is no operation, so that places in the list are places in the batch.
    A batch that is malformed, and so recorded nothing, is one item that is no operation.
    """
    name, values = _decode(data)
    if name != _BATCH:
        return [_operation(data)]
    try:
        return [_operation(item) for item in unpack(*values)]
    except TypedDataError:
        return [None]


def batch_size(data: bytes) -> int:
    """Return how many items a call of the contract has: those of a batch, or the one call."""
    name, values = _decode(data)
    try:
        return len(unpack(*values)) if name == _BATCH else 1
    except TypedDataError:
        return 1


def _operation(data: bytes) -> Operation | None:
    try:
        if data[:4] == RECORD_PRINT and len(data) == PRINT_CALL:
            return _plain_print(data)
        name, values = _decode(data)
        build = _BUILDERS.get(name)
        return None if build is None else build(*values)
    except LedgerError:
        return None


def _plain_print(data: bytes) -> RecordPrint:
    """Return the print in a call of `recordPrint`: words of which there are most in any history."""
    words = [data[at : at + 32] for at in range(4, PRINT_CALL, 32)]
    licence, sequence, token, deadline, key_x, key_y, r, s = words
    claim = PrintClaim(licence, int.from_bytes(sequence, "big"), token, int.from_bytes(deadline, "big"))
    return RecordPrint(claim, key_x, key_y, r + s, ())


def _decode(data: bytes) -> tuple[str, tuple[Any, ...]]:
    """Return a call's function and arguments; an empty name where it is none of the contract's."""
    name, types = _functions().get(data[:4], ("", ()))
    try:
        return name, tuple(decode(types, data[4:])) if name else ()
    except DecodingError:
        return "", ()


@cache
def _functions() -> dict[bytes, tuple[str, tuple[str, ...]]]:
    entries = [entry for entry in artifact().abi if entry["type"] == "function"]
    return {
        keccak(signature_of(entry).encode())[:4]: (
            entry["name"],
            tuple(type_of(member) for member in entry["inputs"]),
        )
        for entry in entries
        if entry["name"] == _BATCH or entry["name"] in _BUILDERS
    }
