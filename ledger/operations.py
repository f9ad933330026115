"""What the outbox carries to the contract: a signed statement with everything its call needs.

An operation's identifier is made of its kind and the struct hash of the signed statement, so the same
statement is the same operation however often it is appended, and whatever randomness its signature holds.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Final, Self, TypeAlias, get_type_hints

from ledger.errors import TypedDataError
from ledger.typed_data import (
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Publication,
    Retirement,
    Revocation,
    Statement,
    Struct,
    print_id,
)

ACCOUNT_SIGNATURE_BYTES_MAX: Final = 4096
"""Longest signature of an account: 65 bytes for a key, more for a wallet that is a contract (ERC-1271)."""
PROOF_NODES_MAX: Final = 32
"""Longest proof of a printer: a list of 2^32 printers."""

_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True)
class SignedOperation:
    """One call of the contract. Fields are checked on construction; TypedDataError names the one at fault."""

    kind: ClassVar[str]
    PRINTER_SIGNATURE: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        for name, declared in _field_types(self.kind).items():
            value = getattr(self, name)
            _check_field(name, declared, value)
            if name == self.PRINTER_SIGNATURE and len(value) != 64:
                raise TypedDataError(name, f"a printer's signature is 64 bytes (r, s), this one {len(value)}")

    @property
    def statement(self) -> Statement:
        """The signed statement."""
        raise NotImplementedError

    @property
    def operation_id(self) -> str:
        """The kind, a colon and the struct hash of the statement in hex, `0x…`."""
        return f"{self.kind}:0x{self.statement.struct_hash().hex()}"

    def to_json(self) -> dict[str, Any]:
        """Return the kind and the fields: statements under their Solidity names, bytes as 0x-hex."""
        names = [field.name for field in fields(self)]
        return {"kind": self.kind} | {name: _field_to_json(getattr(self, name)) for name in names}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read what `to_json` wrote; TypedDataError names the field at fault."""
        if not isinstance(data, Mapping) or data.get("kind") != cls.kind:
            raise TypedDataError("kind", f"must be {cls.kind!r} in a JSON object")
        types = _field_types(cls.kind)
        for key in data:
            if key != "kind" and key not in types:
                raise TypedDataError(str(key), f"is no field of the operation {cls.kind!r}")
        values = {}
        for name, declared in types.items():
            if name not in data:
                raise TypedDataError(name, f"is missing from the operation {cls.kind!r}")
            values[name] = _field_from_json(name, declared, data[name])
        return cls(**values)


@dataclass(frozen=True)
class Publish(SignedOperation):
    """Put a revision's commitment on record."""

    kind = "publish"

    publication: Publication
    signature: bytes

    @property
    def statement(self) -> Publication:
        """The owner's publication."""
        return self.publication


@dataclass(frozen=True)
class Grant(SignedOperation):
    """Grant a licence."""

    kind = "grant"

    licence: Licence
    signature: bytes

    @property
    def statement(self) -> Licence:
        """The owner's licence."""
        return self.licence


@dataclass(frozen=True)
class Revoke(SignedOperation):
    """Withdraw a licence; the contract derives its identifier and its owner from the whole of it."""

    kind = "revoke"

    licence: Licence
    signature: bytes

    @property
    def statement(self) -> Revocation:
        """The owner's revocation of the licence."""
        return Revocation(self.licence.struct_hash())


@dataclass(frozen=True)
class Transfer(SignedOperation):
    """Pass unused prints of a licence on to another provider: signed by its provider, with the owner's
    consent.
    """

    kind = "transfer"

    origin: Licence
    transfer: PrintTransfer
    signature: bytes
    owner_signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.transfer.licence != self.origin.struct_hash():
            raise TypedDataError("transfer", "takes prints from another licence than the origin")

    @property
    def statement(self) -> PrintTransfer:
        """The transfer the provider signed."""
        return self.transfer


@dataclass(frozen=True)
class Enrol(SignedOperation):
    """Enrol a printer: signed by its provider and, as proof of possession, by the printer."""

    kind = "enrol"
    PRINTER_SIGNATURE = "printer_signature"

    enrolment: Enrolment
    provider_signature: bytes
    printer_signature: bytes

    @property
    def statement(self) -> Enrolment:
        """The enrolment both signed."""
        return self.enrolment


@dataclass(frozen=True)
class Retire(SignedOperation):
    """Retire a printer for good."""

    kind = "retire"

    retirement: Retirement
    signature: bytes

    @property
    def statement(self) -> Retirement:
        """The provider's retirement of the printer."""
        return self.retirement


@dataclass(frozen=True)
class RecordPrint(SignedOperation):
    """Consume one sequence number of a licence; `proof` is `printer_proof` if the licence lists printers."""

    kind = "record_print"
    PRINTER_SIGNATURE = "signature"

    claim: PrintClaim
    key_x: bytes
    key_y: bytes
    signature: bytes
    proof: tuple[bytes, ...]

    @property
    def statement(self) -> PrintClaim:
        """The printer's claim."""
        return self.claim


@dataclass(frozen=True)
class RecordOutcome(SignedOperation):
    """Report how a print ended; `outcome.print` must be the print of this licence and sequence."""

    kind = "record_outcome"
    PRINTER_SIGNATURE = "signature"

    licence: bytes
    sequence: int
    outcome: PrintOutcome
    key_x: bytes
    key_y: bytes
    signature: bytes

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.outcome.print != print_id(self.licence, self.sequence):
            raise TypedDataError(
                "outcome", f"is about another print than number {self.sequence} of the licence"
            )

    @property
    def statement(self) -> PrintOutcome:
        """The printer's outcome."""
        return self.outcome


Operation: TypeAlias = Publish | Grant | Revoke | Transfer | Enrol | Retire | RecordPrint | RecordOutcome

OPERATIONS: Final[Mapping[str, type[Operation]]] = {
    operation.kind: operation
    for operation in (Publish, Grant, Revoke, Transfer, Enrol, Retire, RecordPrint, RecordOutcome)
}


def from_json(data: object) -> Operation:
    """Read any operation that `to_json` wrote; TypedDataError names the field at fault."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if not isinstance(kind, str) or kind not in OPERATIONS:
        raise TypedDataError("kind", f"{kind!r} is none of {', '.join(OPERATIONS)}")
    return OPERATIONS[kind].from_json(data)


@cache
def _field_types(kind: str) -> dict[str, Any]:
    hints = get_type_hints(OPERATIONS[kind])
    return {field.name: hints[field.name] for field in fields(OPERATIONS[kind])}


def _check_field(name: str, declared: Any, value: object) -> None:
    if declared is bytes:
        _check_bytes(name, value)
    elif declared is int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
            raise TypedDataError(name, f"{value!r} is not an integer from 0 to 2^32 - 1")
    elif isinstance(declared, type) and issubclass(declared, Struct):
        if not isinstance(value, declared):
            raise TypedDataError(name, f"must be a {declared.__name__}, is {type(value).__name__}")
    elif not isinstance(value, tuple) or len(value) > PROOF_NODES_MAX:
        raise TypedDataError(name, f"must be a tuple of at most {PROOF_NODES_MAX} hashes")
    elif not all(isinstance(node, bytes) and len(node) == 32 for node in value):
        raise TypedDataError(name, "every hash must be 32 bytes")


def _check_bytes(name: str, value: object) -> None:
    """Check a field of bytes: hashes and coordinates by their names, else a signature."""
    if not isinstance(value, bytes):
        raise TypedDataError(name, f"must be bytes, is {type(value).__name__}")
    if name in ("licence", "key_x", "key_y"):
        if len(value) != 32:
            raise TypedDataError(name, f"must be 32 bytes, is {len(value)}")
    elif not 0 < len(value) <= ACCOUNT_SIGNATURE_BYTES_MAX:
        raise TypedDataError(name, f"must be 1 to {ACCOUNT_SIGNATURE_BYTES_MAX} bytes, is {len(value)}")


def _field_to_json(value: object) -> Any:
    if isinstance(value, Struct):
        return value.to_json()
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, tuple):
        return ["0x" + node.hex() for node in value]
    return value


def _field_from_json(name: str, declared: Any, value: Any) -> object:
    if declared is int:
        return value
    if declared is bytes:
        return _bytes_from_hex(name, value)
    if isinstance(declared, type) and issubclass(declared, Struct):
        return declared.from_json(value)
    if not isinstance(value, list):
        raise TypedDataError(name, "must be a list of hashes")
    return tuple(_bytes_from_hex(name, node) for node in value)


def _bytes_from_hex(name: str, value: object) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise TypedDataError(name, f"{value!r} is not bytes: 0x and pairs of hexadecimal digits")
    return bytes.fromhex(value[2:])
