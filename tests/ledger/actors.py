"""Owners, providers and printers with real keys, who sign real statements for the tests of the ledger's
runtime.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from ledger.operations import (
    Enrol,
    Grant,
    Publish,
    RecordOutcome,
    RecordPlate,
    RecordPrint,
    Retire,
    Revoke,
    Transfer,
)
from ledger.signer import AccountKey
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    Plate,
    PrintClaim,
    PrintOutcome,
    PrintTransfer,
    Publication,
    Result,
    Retirement,
    Revocation,
    TransferConsent,
    digest,
    print_id,
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NOON = 1_800_000_000


def secret(name: str) -> bytes:
    """Return 32 bytes that belong to a name."""
    return hashlib.sha256(name.encode()).digest()


@dataclass
class Device:
    """A printer with its P-256 key."""

    name: str

    def __post_init__(self) -> None:
        number = int.from_bytes(secret(f"printer {self.name}"), "big") % (P256_ORDER - 1) + 1
        self.key = ec.derive_private_key(number, ec.SECP256R1())
        numbers = self.key.public_key().public_numbers()
        self.x, self.y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(Prehashed(hashes.SHA256()))))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


@dataclass
class Cast:
    """One owner, one provider, one printer on one ledger."""

    domain: Domain
    starts_at: int = 0
    expires_at: int = 1 << 39
    owner: AccountKey = field(default_factory=lambda: AccountKey.from_bytes(secret("owner")))
    provider: AccountKey = field(default_factory=lambda: AccountKey.from_bytes(secret("provider")))
    device: Device = field(default_factory=lambda: Device("one"))

    @property
    def enrolment(self) -> Enrolment:
        return Enrolment(self.provider.address, self.device.x, self.device.y)

    @property
    def printer(self) -> bytes:
        return self.enrolment.struct_hash()

    def publish(self, name: str = "part") -> Publish:
        publication = Publication(self.owner.address, secret(f"commitment {name}"))
        return Publish(publication, self.owner.sign(digest(self.domain, publication)))

    def enrol(self) -> Enrol:
        message = digest(self.domain, self.enrolment)
        return Enrol(self.enrolment, self.provider.sign(message), self.device.sign(message))

    def retire(self) -> Retire:
        retirement = Retirement(self.printer)
        return Retire(retirement, self.provider.sign(digest(self.domain, retirement)))

    def licence(self, name: str = "part", *, prints: int = 2, reprints: int = 1, number: int = 0) -> Licence:
        return Licence(
            revision=self.publish(name).publication.struct_hash(),
            owner=self.owner.address,
            provider=self.provider.address,
            printers=bytes(32),
            prints=prints,
            reprints=reprints,
            starts_at=self.starts_at,
            expires_at=self.expires_at,
            terms=secret(f"terms {name}"),
            salt=secret(f"salt {name} {number}"),
        )

    def grant(self, licence: Licence) -> Grant:
        return Grant(licence, self.owner.sign(digest(self.domain, licence)))

    def revoke(self, licence: Licence) -> Revoke:
        revocation = Revocation(licence.struct_hash())
        return Revoke(licence, self.owner.sign(digest(self.domain, revocation)))

    def transfer(self, origin: Licence, provider: str, prints: int = 1, salt: str = "") -> Transfer:
        statement = PrintTransfer(origin.struct_hash(), provider, prints, secret(f"transfer {salt}"))
        consent = TransferConsent(origin.struct_hash())
        return Transfer(
            origin,
            statement,
            self.provider.sign(digest(self.domain, statement)),
            self.owner.sign(digest(self.domain, consent)),
        )

    def record(
        self, licence: Licence, sequence: int, *, deadline: int = 1 << 40, token: str = ""
    ) -> RecordPrint:
        claim = PrintClaim(licence.struct_hash(), sequence, secret(f"token {token} {sequence}"), deadline)
        signature = self.device.sign(digest(self.domain, claim))
        return RecordPrint(claim, self.device.x, self.device.y, signature, ())

    def plate(self, *prints: tuple[Licence, int], deadline: int = 1 << 40) -> RecordPlate:
        claims = tuple(
            PrintClaim(licence.struct_hash(), sequence, secret(f"plate {part}"), deadline)
            for part, (licence, sequence) in enumerate(prints)
        )
        signature = self.device.sign(digest(self.domain, Plate.of(claims)))
        return RecordPlate(claims, self.device.x, self.device.y, signature, ((),) * len(claims))

    def report(self, licence: Licence, sequence: int, result: Result = Result.COMPLETED) -> RecordOutcome:
        subject = licence.struct_hash()
        outcome = PrintOutcome(print_id(subject, sequence), int(result), secret(f"report {sequence}"))
        signature = self.device.sign(digest(self.domain, outcome))
        return RecordOutcome(subject, sequence, outcome, self.device.x, self.device.y, signature)
