"""An owner, a provider and a printer with real keys, who sign what the ledger's figures are taken with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from ledger.operations import Enrol, Grant, Operation, Publish, RecordPrint
from ledger.sealing import sealing_statement
from ledger.signer import AccountKey
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    PrintClaim,
    Publication,
    digest,
    sign_as_printer,
)

_FOREVER = 1 << 39


def secret(name: str) -> bytes:
    """Return 32 bytes that belong to a name."""
    return hashlib.sha256(name.encode()).digest()


RELAY = AccountKey.from_bytes(secret("relay"))
OWNER = AccountKey.from_bytes(secret("owner"))
PROVIDER = AccountKey.from_bytes(secret("provider"))


class Parties:
    """Who signs on one ledger: `licences` of so many prints each, all for the one printer."""

    def __init__(
        self,
        domain: Domain,
        *,
        licences: int,
        prints: int,
        commitment: bytes = secret("commitment"),
        terms: bytes = secret("terms"),
    ) -> None:
        self._domain = domain
        self._owner, self._provider = OWNER, PROVIDER
        self._terms = terms
        self._key = ec.derive_private_key(int.from_bytes(secret("printer"), "big") >> 1, ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self._x, self._y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        self._publication = Publication(self._owner.address, commitment)
        self.enrolment = Enrolment(self._provider.address, self._x, self._y)
        self.possession = sign_as_printer(self._key, digest(domain, self.enrolment))
        self.licences = [self._licence(prints, number) for number in range(licences)]

    def opening(self) -> list[Operation]:
        """Return what comes before the first print: the revision, the printer, the licences."""
        enrolled = self._provider.sign(digest(self._domain, self.enrolment))
        return [
            Publish(self._publication, self._owner.sign(digest(self._domain, self._publication))),
            Enrol(self.enrolment, enrolled, self.possession),
            *(Grant(licence, self._owner.sign(digest(self._domain, licence))) for licence in self.licences),
        ]

    def prints(self, sequences: Sequence[int]) -> Iterator[RecordPrint]:
        """Yield a signed print of every licence for each sequence number."""
        hashes = [licence.struct_hash() for licence in self.licences]
        for sequence in sequences:
            for licence in hashes:
                token = secret(f"token {licence.hex()} {sequence}")
                claim = PrintClaim(licence, sequence, token, 2 * _FOREVER)
                signature = sign_as_printer(self._key, digest(self._domain, claim))
                yield RecordPrint(claim, self._x, self._y, signature, ())

    def vouch(self, suite: str, public: bytes) -> bytes:
        """Return the printer's signature over its sealing key."""
        statement = sealing_statement(self.enrolment, suite, public)
        return sign_as_printer(self._key, digest(self._domain, statement))

    def _licence(self, prints: int, number: int) -> Licence:
        return Licence(
            revision=self._publication.struct_hash(),
            owner=self._owner.address,
            provider=self._provider.address,
            printers=bytes(32),
            prints=prints,
            reprints=0,
            starts_at=0,
            expires_at=_FOREVER,
            terms=self._terms,
            salt=secret(f"salt {number}"),
        )
