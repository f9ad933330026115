"""The contract's events, decoded from raw logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

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
class PlateRecorded:
    """All prints of a plate are counted; their events stand right before this one, in the plate's order."""

    printer: bytes
    plate: bytes


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
    | PlateRecorded
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
    PlateRecorded,
    OutcomeRecorded,
    OperationRejected,
)

_BITS: Final = {"bool": 1} | {f"uint{bits}": bits for bits in range(8, 257, 8)}
_ONE_WORD: Final = {"bytes32", "address", *_BITS}


@dataclass(frozen=True)
class _Layout:
    event: type[Event]
    names: tuple[str, ...]
    indexed: tuple[str, ...]
    types: tuple[str, ...]
    data_names: tuple[str, ...]
    words: tuple[tuple[str, int], ...]


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
        values = dict(zip(layout.data_names, _members(layout, _raw(log["data"])), strict=True))
        for position, kind in enumerate(layout.indexed):
            values[layout.names[position]] = _member(kind, topics[position + 1])
    except (DecodingError, IndexError, ValueError) as error:
        raise TypedDataError(layout.event.__name__, f"this log does not hold its fields: {error}") from error
    if "limits" in values:
        values |= _limits(values.pop("limits"))
    return layout.event(**values)


def _members(layout: _Layout, data: bytes) -> Sequence[Any]:
    """Return the members in a log's data: words where all of them are one word long, as in most events."""
    if not layout.words:
        return decode(layout.types, data)
    return [_member(kind, data[at : at + 32]) for kind, at in layout.words]


def _member(kind: str, word: bytes) -> Any:
    """Return the value in a word; ValueError where it is no value of the type."""
    if len(word) != 32:
        raise ValueError(f"a word of {len(word)} bytes")
    if kind == "bytes32":
        return word
    if kind == "address":
        if any(word[:12]):
            raise ValueError(f"0x{word.hex()} is no address")
        return address_of_bytes(word[12:])
    number = int.from_bytes(word, "big")
    if number >> _BITS[kind]:
        raise ValueError(f"{number} is no {kind}")
    return bool(number) if kind == "bool" else number


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
        types = tuple(kind for _, kind, indexed in members if not indexed)
        layouts[keccak(signature_of(entry).encode())] = _Layout(
            event=classes[entry["name"]],
            names=tuple(name for name, _, _ in members),
            indexed=tuple(kind for _, kind, indexed in members if indexed),
            types=types,
            data_names=tuple(name for name, _, indexed in members if not indexed),
            words=_places(types),
        )
    return layouts


def _places(types: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the types with their places in a log's data; nothing where one is longer than a word."""
    if not _ONE_WORD.issuperset(types):
        return ()
    return tuple((kind, 32 * place) for place, kind in enumerate(types))


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


def _raw(value: str | bytes) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else bytes(value)
