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
from typing import Any, ClassVar, Final, Self, TypeAlias, get_args, get_type_hints

from ledger.errors import TypedDataError
from ledger.typed_data import (
    Enrolment,
    Licence,
    Plate,
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
PLATE_PRINTS_MAX: Final = 16
"""Prints of a plate, at the most; the contract takes no more."""

_MEMBERS: Final[Mapping[Any, str]] = {bytes: "hashes", PrintClaim: "claims"}
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


@dataclass(frozen=True)
class SignedOperation:
    """One call of the contract. Fields are checked on construction; TypedDataError names the one at fault."""

    kind: ClassVar[str]
    PRINTER_SIGNATURE: ClassVar[str | None] = None
    OPTIONAL: ClassVar[str] = ""
    """The field that is left out of the JSON while it is empty."""

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
    def signed(self) -> Statement:
        """What the signature is over: the statement itself, for a print of a plate the plate."""
        return self.statement

    @property
    def operation_id(self) -> str:
        """The kind, a colon and the struct hash of the statement in hex, `0x…`."""
        return f"{self.kind}:0x{self.statement.struct_hash().hex()}"

    def to_json(self) -> dict[str, Any]:
        """Return the kind and the fields: statements under their Solidity names, bytes as 0x-hex."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if not values.get(self.OPTIONAL, True):
            del values[self.OPTIONAL]
        return {"kind": self.kind} | {name: _field_to_json(value) for name, value in values.items()}

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
                if name == cls.OPTIONAL:
                    continue
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
    """Consume one sequence number of a licence; `proof` is `printer_proof` if the licence lists printers.

    A print that a plate recorded names the struct hashes of the plate's claims in `plate`, its own among
    them; its signature is over that plate. The member is left out of the JSON of any other print.
    """

    kind = "record_print"
    PRINTER_SIGNATURE = "signature"
    OPTIONAL = "plate"

    claim: PrintClaim
    key_x: bytes
    key_y: bytes
    signature: bytes
    proof: tuple[bytes, ...]
    plate: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.plate and self.claim.struct_hash() not in self.plate:
            raise TypedDataError("plate", "does not hold the print's own claim")

    @property
    def statement(self) -> PrintClaim:
        """The printer's claim."""
        return self.claim

    @property
    def signed(self) -> PrintClaim | Plate:
        """The claim, or the plate it is on."""
        return Plate(self.plate) if self.plate else self.claim


@dataclass(frozen=True)
class RecordPlate(SignedOperation):
    """Consume the numbers of all claims of a plate or none; `proofs` has one for each claim, empty where its
    licence lists no printers.
    """

    kind = "record_plate"
    PRINTER_SIGNATURE = "signature"

    claims: tuple[PrintClaim, ...]
    key_x: bytes
    key_y: bytes
    signature: bytes
    proofs: tuple[tuple[bytes, ...], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= len(self.claims) <= PLATE_PRINTS_MAX:
            raise TypedDataError(
                "claims", f"a plate has 1 to {PLATE_PRINTS_MAX}, this one {len(self.claims)}"
            )
        if len(self.proofs) != len(self.claims):
            raise TypedDataError(
                "proofs", f"are {len(self.proofs)}, one for each of {len(self.claims)} claims"
            )

    @property
    def statement(self) -> Plate:
        """The plate the printer signed."""
        return Plate.of(self.claims)

    def prints(self) -> tuple[RecordPrint, ...]:
        """Return its prints one by one, as evidence and audit speak of them."""
        plate, keys = self.statement.claims, (self.key_x, self.key_y)
        return tuple(
            RecordPrint(claim, *keys, self.signature, proof, plate)
            for claim, proof in zip(self.claims, self.proofs, strict=True)
        )

    def part_at_fault(self, args: Mapping[str, Any]) -> int | None:
        """Return the place of the first claim that an error of the contract is about, by the error's
        arguments; None where it is about the plate as a whole.
        """
        told = {name: args[name] for name in ("licence", "sequence", "deadline") if name in args}
        for part, claim in enumerate(self.claims):
            said = claim.to_json()
            if told and all(said[name] == value for name, value in told.items()):
                return part
        return None

    def log_index_of(self, part: int, log_index: int) -> int:
        """Return where the event of a print stands, by its place on the plate; `log_index` is the plate's."""
        return log_index - len(self.claims) + part


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


Operation: TypeAlias = (
    Publish | Grant | Revoke | Transfer | Enrol | Retire | RecordPrint | RecordPlate | RecordOutcome
)

OPERATIONS: Final[Mapping[str, type[Operation]]] = {
    operation.kind: operation
    for operation in (
        Publish,
        Grant,
        Revoke,
        Transfer,
        Enrol,
        Retire,
        RecordPrint,
        RecordPlate,
        RecordOutcome,
    )
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
    else:
        _check_tuple(name, get_args(declared)[0], value)


def _check_tuple(name: str, member: Any, value: object) -> None:
    """Check a field of several: hashes, or for plates statements or such fields themselves."""
    if not isinstance(value, tuple) or len(value) > PROOF_NODES_MAX:
        raise TypedDataError(
            name, f"must be a tuple of at most {PROOF_NODES_MAX} {_MEMBERS.get(member, 'lists')}"
        )
    for each in value:
        if member is bytes:
            if not isinstance(each, bytes) or len(each) != 32:
                raise TypedDataError(name, "every hash must be 32 bytes")
        else:
            _check_field(name, member, each)


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
        return [_field_to_json(member) for member in value]
    return value


def _field_from_json(name: str, declared: Any, value: Any) -> object:
    if declared is int:
        return value
    if declared is bytes:
        return _bytes_from_hex(name, value)
    if isinstance(declared, type) and issubclass(declared, Struct):
        return declared.from_json(value)
    member = get_args(declared)[0]
    if not isinstance(value, list):
        raise TypedDataError(name, f"must be a list of {_MEMBERS.get(member, 'lists')}")
    return tuple(_field_from_json(name, member, each) for each in value)


def _bytes_from_hex(name: str, value: object) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise TypedDataError(name, f"{value!r} is not bytes: 0x and pairs of hexadecimal digits")
    return bytes.fromhex(value[2:])
