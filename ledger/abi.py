"""The contract's binary interface: calls, queries, logs and errors, from the compiled artifact.

No web3 and no network: bytes in, bytes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from ledger.artifact import Artifact, artifact, is_print_ledger, signature_of, type_of
from ledger.batch import pack
from ledger.contract_error import ContractError, decode_error
from ledger.errors import TypedDataError
from ledger.events import (
    Event,
    LicenceGranted,
    LicenceRevoked,
    OperationRejected,
    OutcomeRecorded,
    PlateRecorded,
    PrinterEnrolled,
    PrinterRetired,
    PrintRecorded,
    PrintsTransferred,
    RevisionPublished,
    decode_log,
)
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
from ledger.solidity import word
from ledger.typed_data import Struct
from ledger.words import Reader, reader

__all__ = [
    "BATCH_ITEM_GAS",
    "Artifact",
    "ContractError",
    "Event",
    "LicenceGranted",
    "LicenceRevoked",
    "OperationRejected",
    "OutcomeRecorded",
    "PlateRecorded",
    "PrintRecorded",
    "PrinterEnrolled",
    "PrinterRetired",
    "PrintsTransferred",
    "RevisionPublished",
    "artifact",
    "batch_gas_limit",
    "decode_error",
    "decode_log",
    "decode_query",
    "encode_batch",
    "encode_call",
    "encode_query",
    "is_print_ledger",
]

BATCH_ITEM_GAS: Final = 1_050_000
"""Gas the contract wants left when an item of a batch starts, at least; see `batch_gas_limit`."""


def encode_call(operation: Operation) -> bytes:
    """Return the calldata of an operation."""
    match operation:
        case Publish(publication, signature):
            return _encode("publish", _members(publication), signature)
        case Grant(licence, signature):
            return _encode("grant", _members(licence), signature)
        case Revoke(licence, signature):
            return _encode("revoke", _members(licence), signature)
        case Transfer(origin, transfer, signature, owner_signature):
            taken = (transfer.provider, transfer.prints, transfer.salt)
            return _encode("transfer", _members(origin), *taken, signature, owner_signature)
        case Enrol(enrolment, provider_signature, printer):
            return _encode("enrol", _members(enrolment), provider_signature, printer[:32], printer[32:])
        case Retire(retirement, signature):
            return _encode("retire", _members(retirement), signature)
        case RecordPrint() | RecordPlate() | RecordOutcome():
            return _encode_printers(operation)


def _encode_printers(operation: RecordPrint | RecordPlate | RecordOutcome) -> bytes:
    """Return the calldata of what a printer alone signs."""
    key_x, key_y, signature = operation.key_x, operation.key_y, operation.signature
    signed = (key_x, key_y, signature[:32], signature[32:])
    match operation:
        case RecordPrint(plate=plate) if plate:
            raise TypedDataError(
                "plate", "a print of a plate is recorded with the whole plate, not by itself"
            )
        case RecordPrint(claim, proof=proof) if proof:
            return _encode("recordListedPrint", _members(claim), signed, list(proof))
        case RecordPrint(claim):
            words = [word(kind, getattr(claim, name)) for name, kind in claim.SOLIDITY.items()]
            return b"".join((_call("recordPrint")[0], *words, key_x, key_y, signature))
        case RecordPlate(claims, proofs=proofs):
            members = [_members(claim) for claim in claims]
            return _encode("recordPlate", members, signed, [list(proof) for proof in proofs])
        case RecordOutcome(licence, sequence, outcome):
            return _encode("recordOutcome", licence, sequence, outcome.result, outcome.report, signed)


def encode_batch(calls: Sequence[bytes]) -> bytes:
    """Return the calldata of `batch`, which runs encoded calls in order and skips those that fail."""
    return _encode("batch", *pack(calls))


def batch_gas_limit(gas_used: int) -> int:
    """Return the gas limit of a batch expected to use `gas_used`: what it uses and what its last item must
    find.
    """
    return gas_used + gas_used // 10 + BATCH_ITEM_GAS


def encode_query(name: str, *arguments: Any) -> bytes:
    """Return the calldata of a view: `licenceState`, `printerState`, `revisionOwner`, `isRecorded`,
    `isReported`.
    """
    return _encode(name, *arguments)


def decode_query(name: str, data: bytes) -> tuple[Any, ...]:
    """Return what a view answered, a value for each output; a struct is a tuple of its members.

    Raises TypedDataError for an answer that is not the view's, as from an address without this contract.
    """
    read = _reader(name)
    if read is not None:
        return read(data)
    types = [type_of(output) for output in _function(name)["outputs"]]
    try:
        return tuple(decode(types, data))
    except DecodingError as error:
        raise TypedDataError(
            name, f"the answer 0x{data[:64].hex()} is not this contract's: {error}"
        ) from error


def _members(statement: Struct) -> tuple[Any, ...]:
    return tuple(getattr(statement, name) for name, _, _ in statement.members())


def _encode(name: str, *arguments: Any) -> bytes:
    selector, types = _call(name)
    return selector + encode(types, arguments)


@cache
def _function(name: str) -> Mapping[str, Any]:
    return next(entry for entry in artifact().abi if entry["type"] == "function" and entry["name"] == name)


@cache
def _reader(name: str) -> Reader | None:
    return reader(name, _function(name)["outputs"])


@cache
def _call(name: str) -> tuple[bytes, list[str]]:
    entry = _function(name)
    return keccak(signature_of(entry).encode())[:4], [type_of(member) for member in entry["inputs"]]
