"""What operations and events have in common: the fact that one asks for and the other states.

An operation is carried out when the chain holds an event with its fact, whoever relayed it. Pure.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Final

from ledger.abi import (
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
)
from ledger.chain import ChainError, Log
from ledger.events import decode_log
from ledger.operations import Operation, RecordPrint
from ledger.typed_data import (
    PrintOutcome,
    PrintTransfer,
    Retirement,
    Revocation,
    print_id,
)

_COMPACT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def fact_of(operation: Operation) -> str:
    """Return the fact an operation asks for: its identifier, for a print the part of its claim an event
    repeats.
    """
    if isinstance(operation, RecordPrint):
        return _print_fact(operation.claim.licence, operation.claim.sequence, operation.claim.token)
    return operation.operation_id


def fact_in(event: Event) -> str | None:
    """Return the fact an event states, None for a rejection."""
    match event:
        case RevisionPublished(revision):
            return _fact("publish", revision)
        case LicenceGranted(licence):
            return _fact("grant", licence)
        case PrintsTransferred(_, origin, provider, prints, salt):
            return _fact("transfer", PrintTransfer(origin, provider, prints, salt).struct_hash())
        case LicenceRevoked(licence):
            return _fact("revoke", Revocation(licence).struct_hash())
        case PrinterEnrolled(printer):
            return _fact("enrol", printer)
        case PrinterRetired(printer):
            return _fact("retire", Retirement(printer).struct_hash())
        case PrintRecorded() | PlateRecorded() | OutcomeRecorded():
            return _printers_fact(event)
        case OperationRejected():
            return None


def _printers_fact(event: PrintRecorded | PlateRecorded | OutcomeRecorded) -> str:
    """Return the fact in an event that a printer alone signs for."""
    match event:
        case PrintRecorded(licence, _, sequence, token):
            return _print_fact(licence, sequence, token)
        case PlateRecorded(_, plate):
            return _fact("record_plate", plate)
        case OutcomeRecorded(licence, _, sequence, result, report):
            outcome = PrintOutcome(print_id(licence, sequence), result, report)
            return _fact("record_outcome", outcome.struct_hash())


def event_of(log: Log) -> Event:
    """Return the event in one of the contract's logs; ChainError if it is no event of this contract."""
    event = decode_log({"topics": log.topics, "data": log.data})
    if event is None:
        raise ChainError(f"log {log.index} of block {log.block_number} is no event of the print ledger")
    return event


def event_json(event: Event) -> dict[str, Any]:
    """Return an event's members as JSON: bytes as 0x-hex."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {key: "0x" + value.hex() if isinstance(value, bytes) else value for key, value in values.items()}


def compact_json(value: object) -> str:
    """Return JSON text with sorted keys and no spaces, so that equal values are equal texts."""
    return _COMPACT.encode(value)


def _fact(kind: str, subject: bytes) -> str:
    return f"{kind}:0x{subject.hex()}"


def _print_fact(licence: bytes, sequence: int, token: bytes) -> str:
    return f"record_print:0x{licence.hex()}:{sequence}:0x{token.hex()}"
