"""The contract's events, decoded from raw logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_hash.auto import keccak

from ledger.address import address_of_bytes
from ledger.artifact import artifact, signature_of
from ledger.errors import TypedDataError


@dataclass(frozen=True)
class RevisionPublished:
    """An owner's commitment is on record."""

    revision: bytes
    owner: str
    commitment: bytes


@dataclass(frozen=True)
class LicenceGranted:
    """A licence is granted; all of the signed `Licence` is in it but its owner, who is the revision's."""

    licence: bytes
    revision: bytes
    provider: str
    printers: bytes
    prints: int
    reprints: int
    starts_at: int
    expires_at: int
    terms: bytes
    salt: bytes


@dataclass(frozen=True)
class PrintsTransferred:
    """Unused prints of `origin` are now `provider`'s, as the licence `typed_data.transferred` makes."""

    licence: bytes
    origin: bytes
    provider: str
    prints: int
    salt: bytes


@dataclass(frozen=True)
class LicenceRevoked:
    """A licence takes no more prints."""

    licence: bytes


@dataclass(frozen=True)
class PrinterEnrolled:
    """A provider enrolled a printer's key."""

    printer: bytes
    provider: str
    key_x: bytes
    key_y: bytes


@dataclass(frozen=True)
class PrinterRetired:
    """A printer prints no more."""

    printer: bytes


@dataclass(frozen=True)
class PrintRecorded:
    """A printer consumed one number of a licence; `token` is the SHA-256 of the print token."""

    licence: bytes
    printer: bytes
    sequence: int
    token: bytes


@dataclass(frozen=True)
class OutcomeRecorded:
    """A printer reported how a print ended; `credited` tells whether the licence got it back."""

    licence: bytes
    printer: bytes
    sequence: int
    result: int
    report: bytes
    credited: bool


@dataclass(frozen=True)
class OperationRejected:
    """Item `index` of a batch was skipped; `reason` is its revert data, for `decode_error`."""

    index: int
    reason: bytes


Event: TypeAlias = (
    RevisionPublished
    | LicenceGranted
    | PrintsTransferred
    | LicenceRevoked
    | PrinterEnrolled
    | PrinterRetired
    | PrintRecorded
    | OutcomeRecorded
    | OperationRejected
)

_EVENTS: tuple[type[Event], ...] = (
    RevisionPublished,
    LicenceGranted,
    PrintsTransferred,
    LicenceRevoked,
    PrinterEnrolled,
    PrinterRetired,
    PrintRecorded,
    OutcomeRecorded,
    OperationRejected,
)


@dataclass(frozen=True)
class _Layout:
    event: type[Event]
    names: tuple[str, ...]
    indexed: tuple[str, ...]
    types: tuple[str, ...]
    data_names: tuple[str, ...]


def decode_log(log: Mapping[str, Any]) -> Event | None:
    """Return the event in a log of the contract, None if it is another kind of event.

    Takes a log as `eth_getLogs` and receipts give it: `topics` and `data`, as 0x-hex or as bytes. The caller
    has made sure that `address` is the contract's. Raises TypedDataError for a log that carries an event's
    topic but not its fields.
    """
    topics = [_raw(topic) for topic in log["topics"]]
    layout = _layouts().get(topics[0]) if topics else None
    if layout is None:
        return None
    try:
        values = dict(zip(layout.data_names, decode(layout.types, _raw(log["data"])), strict=True))
        for position, kind in enumerate(layout.indexed):
            values[layout.names[position]] = decode([kind], topics[position + 1])[0]
    except (DecodingError, IndexError) as error:
        raise TypedDataError(layout.event.__name__, f"this log does not hold its fields: {error}") from error
    for name in ("owner", "provider"):
        if name in values:
            values[name] = address_of_bytes(bytes.fromhex(values[name][2:]))
    if "limits" in values:
        values |= _limits(values.pop("limits"))
    return layout.event(**values)


def _limits(word: int) -> dict[str, int]:
    """Return the members of a licence that its event holds in one word, from the lowest bit up."""
    count, time = (1 << 32) - 1, (1 << 40) - 1
    times = {"starts_at": word >> 64 & time, "expires_at": word >> 104}
    return {"prints": word & count, "reprints": word >> 32 & count} | times


@cache
def _layouts() -> dict[bytes, _Layout]:
    """Return how each event lies in a log, by its first topic; indexed members stand first in all of them."""
    classes = {event.__name__: event for event in _EVENTS}
    layouts = {}
    for entry in artifact().abi:
        if entry["type"] != "event" or entry["name"] not in classes:
            continue
        members = [(_snake(part["name"]), part["type"], part["indexed"]) for part in entry["inputs"]]
        layouts[keccak(signature_of(entry).encode())] = _Layout(
            event=classes[entry["name"]],
            names=tuple(name for name, _, _ in members),
            indexed=tuple(kind for _, kind, indexed in members if indexed),
            types=tuple(kind for _, kind, indexed in members if not indexed),
            data_names=tuple(name for name, _, indexed in members if not indexed),
        )
    return layouts


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def _raw(value: str | bytes) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
