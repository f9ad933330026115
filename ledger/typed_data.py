"""The statements that owners, providers and printers sign, hashed as EIP-712 says.

Each `Statement` mirrors a struct of `contracts/src/IPrintLedger.sol` field by field; the Python name of a
field is the Solidity one in snake case. A statement's struct hash is its identifier on chain: of a
`Publication` the revision, of a `Licence` the licence, of an `Enrolment` the printer. `SealingKey` is signed
in the same domain, but the contract never sees it. Pure: no network, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache, lru_cache
from typing import Any, ClassVar, Final, Self, TypeAlias

from eth_hash.auto import keccak

from ledger.errors import TypedDataError
from ledger.printer_list import printer_proof, printers_root
from ledger.signatures import (
    compact_signature,
    recover_signer,
    sign_as_printer,
    verify_printer_signature,
)
from ledger.solidity import checked, from_json, word

__all__ = [
    "Domain",
    "Enrolment",
    "Licence",
    "Plate",
    "PrintClaim",
    "PrintOutcome",
    "PrintTransfer",
    "Publication",
    "Result",
    "Retirement",
    "Revocation",
    "SealingKey",
    "Statement",
    "Struct",
    "TransferConsent",
    "compact_signature",
    "digest",
    "print_id",
    "printer_proof",
    "printers_root",
    "recover_signer",
    "sign_as_printer",
    "transferred",
    "typed_data",
    "verify_printer_signature",
]

DOMAIN_NAME: Final = "PartVault PrintLedger"
DOMAIN_VERSION: Final = "1"

_DOMAIN_MEMBERS: Final = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


class Result(IntEnum):
    """How a print ended, as a `PrintOutcome` carries it. Only `FAILED` is credited back."""

    COMPLETED = 1
    FAILED = 2
    CANCELLED = 3


@lru_cache(maxsize=256)
def _solidity_name(name: str) -> str:
    """Give a member's name in Solidity: camel case, and `key` for `public`, which is a keyword there."""
    if name == "public":
        return "key"
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


@lru_cache(maxsize=64)
def _type_hash(declaration: str) -> bytes:
    return keccak(declaration.encode())


@dataclass(frozen=True)
class Domain:
    """Where a statement counts: one contract on one chain (EIP-712 domain)."""

    chain_id: int
    contract: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "chain_id", checked("chain_id", "uint256", self.chain_id))
        object.__setattr__(self, "contract", checked("contract", "address", self.contract))

    def separator(self) -> bytes:
        """Return the 32-byte domain separator."""
        return _separator(self.chain_id, self.contract)


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: str) -> bytes:
    declaration = "EIP712Domain(" + ",".join(f"{kind} {name}" for name, kind in _DOMAIN_MEMBERS) + ")"
    return keccak(
        _type_hash(declaration)
        + keccak(DOMAIN_NAME.encode())
        + keccak(DOMAIN_VERSION.encode())
        + word("uint256", chain_id)
        + word("address", contract)
    )


@dataclass(frozen=True)
class Struct:
    """An EIP-712 struct. `SOLIDITY` gives its members' types in the order of declaration."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for name, kind in self.SOLIDITY.items():
            object.__setattr__(self, name, checked(name, kind, getattr(self, name)))

    @classmethod
    @cache
    def members(cls) -> tuple[tuple[str, str, str], ...]:
        """Return each member's Python name, Solidity name and Solidity type."""
        return tuple((name, _solidity_name(name), kind) for name, kind in cls.SOLIDITY.items())

    @classmethod
    def declaration(cls) -> str:
        """Return EIP-712's encodeType of this struct."""
        return f"{cls.__name__}({','.join(f'{kind} {camel}' for _, camel, kind in cls.members())})"

    @classmethod
    @cache
    def type_hash(cls) -> bytes:
        """Return EIP-712's typeHash of this struct, 32 bytes."""
        return keccak(cls.declaration().encode())

    def struct_hash(self) -> bytes:
        """Return EIP-712's hashStruct, 32 bytes."""
        words = [word(kind, getattr(self, name)) for name, kind in self.SOLIDITY.items()]
        return keccak(self.type_hash() + b"".join(words))

    def to_json(self) -> dict[str, Any]:
        """Return the members under their Solidity names: bytes as 0x-hex, addresses EIP-55, numbers as
        numbers.
        """
        values = {camel: getattr(self, name) for name, camel, _ in self.members()}
        return {
            key: "0x" + value.hex() if isinstance(value, bytes) else value for key, value in values.items()
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read what `to_json` wrote; TypedDataError names a member absent, unknown or out of range."""
        if not isinstance(data, Mapping):
            raise TypedDataError(cls.__name__, "must be a JSON object")
        expected = {camel: (name, kind) for name, camel, kind in cls.members()}
        for key in data:
            if key not in expected:
                raise TypedDataError(str(key), f"is no member of {cls.__name__}")
        values = {}
        for camel, (name, kind) in expected.items():
            if camel not in data:
                raise TypedDataError(camel, f"is missing from {cls.__name__}")
            values[name] = checked(camel, kind, from_json(camel, kind, data[camel]))
        return cls(**values)


@dataclass(frozen=True)
class Publication(Struct):
    """An owner puts a revision's salted commitment on record; its struct hash is the revision."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {"owner": "address", "commitment": "bytes32"}

    owner: str
    commitment: bytes


@dataclass(frozen=True)
class Licence(Struct):
    """An owner permits a provider a number of prints; its struct hash is the licence.

    `printers` is `printers_root` of the printers allowed (zero: all the provider enrolled); `starts_at` is
    the first second of the window and `expires_at` the first after it, Unix time; `reprints` caps the failed
    prints credited back.
    """

    SOLIDITY: ClassVar[Mapping[str, str]] = {
        "revision": "bytes32",
        "owner": "address",
        "provider": "address",
        "printers": "bytes32",
        "prints": "uint32",
        "reprints": "uint32",
        "starts_at": "uint64",
        "expires_at": "uint64",
        "terms": "bytes32",
        "salt": "bytes32",
    }

    revision: bytes
    owner: str
    provider: str
    printers: bytes
    prints: int
    reprints: int
    starts_at: int
    expires_at: int
    terms: bytes
    salt: bytes


@dataclass(frozen=True)
class Revocation(Struct):
    """An owner withdraws a licence; prints already recorded stand."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {"licence": "bytes32"}

    licence: bytes


@dataclass(frozen=True)
class PrintTransfer(Struct):
    """A provider passes prints it has not used on to another provider; see `transferred`."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {
        "licence": "bytes32",
        "provider": "address",
        "prints": "uint32",
        "salt": "bytes32",
    }

    licence: bytes
    provider: str
    prints: int
    salt: bytes


@dataclass(frozen=True)
class TransferConsent(Struct):
    """An owner lets a licence's provider transfer prints of it."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {"licence": "bytes32"}

    licence: bytes


@dataclass(frozen=True)
class Enrolment(Struct):
    """A provider and the printer itself vouch for the printer's P-256 key; its struct hash is the printer."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {"provider": "address", "key_x": "bytes32", "key_y": "bytes32"}

    provider: str
    key_x: bytes
    key_y: bytes


@dataclass(frozen=True)
class Retirement(Struct):
    """A provider retires a printer for good."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {"printer": "bytes32"}

    printer: bytes


@dataclass(frozen=True)
class PrintClaim(Struct):
    """A printer consumes one sequence number of a licence.

    `token` is the SHA-256 of the print token; `deadline` the last second, Unix time, in which the claim may
    be recorded.
    """

    SOLIDITY: ClassVar[Mapping[str, str]] = {
        "licence": "bytes32",
        "sequence": "uint32",
        "token": "bytes32",
        "deadline": "uint64",
    }

    licence: bytes
    sequence: int
    token: bytes
    deadline: int


@dataclass(frozen=True)
class Plate(Struct):
    """A printer consumes the numbers of several claims for one build, all of them or none.

    `claims` are the claims' struct hashes, in order: all that is needed to know what was signed, and nothing
    of what the other claims say.
    """

    claims: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not self.claims:
            raise TypedDataError("claims", "must be one or more struct hashes")
        for claim in self.claims:
            checked("claims", "bytes32", claim)

    @classmethod
    def of(cls, claims: Sequence[PrintClaim]) -> Plate:
        """Return the plate of these claims."""
        return cls(tuple(claim.struct_hash() for claim in claims))

    @classmethod
    def declaration(cls) -> str:
        """Return EIP-712's encodeType: the struct and, after it, the one it refers to."""
        return "Plate(PrintClaim[] claims)" + PrintClaim.declaration()

    def struct_hash(self) -> bytes:
        """Return EIP-712's hashStruct; an array of structs is the hash of its members' hashes."""
        return keccak(self.type_hash() + keccak(b"".join(self.claims)))


@dataclass(frozen=True)
class PrintOutcome(Struct):
    """A printer reports how a print ended: `print` is its `print_id`, `result` a `Result`."""

    SOLIDITY: ClassVar[Mapping[str, str]] = {"print": "bytes32", "result": "uint8", "report": "bytes32"}

    print: bytes
    result: int
    report: bytes


@dataclass(frozen=True)
class SealingKey(Struct):
    """A printer vouches for the HPKE key that data keys are sealed to; `ledger.sealing` verifies it.

    `printer` is the struct hash of its `Enrolment`, `suite` the HPKE suite's name and `public` the public key
    as the suite encodes it. Signed by the enrolled P-256 key; no statement of the contract's.
    """

    SOLIDITY: ClassVar[Mapping[str, str]] = {"printer": "bytes32", "suite": "string", "public": "bytes"}

    printer: bytes
    suite: str
    public: bytes


Statement: TypeAlias = (
    Publication
    | Licence
    | Revocation
    | PrintTransfer
    | TransferConsent
    | Enrolment
    | Retirement
    | PrintClaim
    | Plate
    | PrintOutcome
)


def digest(domain: Domain, statement: Struct) -> bytes:
    """Return the 32 bytes that are signed: keccak256(0x1901 ‖ separator ‖ struct hash), EIP-712."""
    return keccak(b"\x19\x01" + domain.separator() + statement.struct_hash())


def typed_data(domain: Domain, statement: Struct) -> dict[str, Any]:
    """Return the JSON that `eth_signTypedData_v4` of a wallet takes."""
    name = type(statement).__name__
    return {
        "types": {
            "EIP712Domain": [{"name": member, "type": kind} for member, kind in _DOMAIN_MEMBERS],
            name: [{"name": camel, "type": kind} for _, camel, kind in statement.members()],
        },
        "primaryType": name,
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": domain.chain_id,
            "verifyingContract": domain.contract,
        },
        "message": statement.to_json(),
    }


def print_id(licence: bytes, sequence: int) -> bytes:
    """Return a print's identifier, keccak256(abi.encode(licence, sequence))."""
    number = checked("sequence", "uint32", sequence)
    return keccak(checked("licence", "bytes32", licence) + word("uint32", number))


def transferred(origin: Licence, transfer: PrintTransfer) -> Licence:
    """Return the licence that transferred prints become: as `origin`, but without reprints."""
    return replace(origin, provider=transfer.provider, prints=transfer.prints, reprints=0, salt=transfer.salt)
