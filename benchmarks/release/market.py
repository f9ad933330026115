"""A data folder with everything that redemptions need: a published part, printers, licences, tokens.

The rows are the ones the service would have written, made in bulk; revision, printers and licences are on the
embedded chain, granted and enrolled by real signatures. A licence has as many tokens as it may have at once.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert

from app import submission
from app.licences.states import LicenceState
from app.models import Licence, Print, Printer
from app.printers.states import PrinterState
from app.prints.lifecycle import State
from app.prints.policy import SEQUENCE_WINDOW
from app.tokens import PRINT_TOKEN_PREFIX, Token, new_token
from app.wiring import Services
from benchmarks.ledger import inventory
from benchmarks.ledger.parties import OWNER, PROVIDER
from ledger import typed_data
from ledger.commitment import canonical_json, terms_commitment
from ledger.operations import Enrol, Grant, Operation, Publish
from ledger.sealing import sealing_statement
from ledger.typed_data import Domain, Enrolment, PrintClaim, Publication, digest, sign_as_printer
from storage.recipients import SealingKey

MACHINE: Final = {
    "model": "Workhorse",
    "build_volume_mm": [250, 210, 210],
    "processes": ["MEX"],
    "materials": ["PETG"],
    "site": "Hall 4",
}
_TERMS: Final = canonical_json({"processes": ["MEX"], "sites": ["Hall 4"]})
_ROWS_AT_ONCE: Final = 10_000
_PATIENCE_S: Final = 60.0


@dataclass
class Machine:
    """A printer with its keys, and the tokens it has yet to redeem."""

    id: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    tokens: list[Redeemable] = field(default_factory=list)

    def coordinates(self) -> tuple[bytes, bytes]:
        """Give the public signing key."""
        numbers = self.key.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")

    @property
    def enrolment(self) -> Enrolment:
        """Give what enrols it."""
        return Enrolment(PROVIDER.address, *self.coordinates())


@dataclass(frozen=True)
class Redeemable:
    """A print token and the claim that redeems it."""

    token: Token
    claim: PrintClaim


def furnish(services: Services, tokens: Sequence[int]) -> list[Machine]:
    """Fill a service's data folder, its ledger running; gives a printer for each number of tokens."""
    domain = services.ledger.domain
    revision = inventory.upload(services, OWNER.address, PROVIDER.address)
    publication = Publication(OWNER.address, revision.commitment or b"")
    made = [Machine(f"prt_{number}") for number in range(len(tokens))]
    owned = [_licences(publication, count) for count in tokens]
    licences = [each for some in owned for each in some]
    _settle(services, _opening(domain, publication, made, licences))
    now = services.clock.now()
    with services.database.write() as session:
        _insert(session, Printer, [_printer(domain, machine, now) for machine in made])
        _insert(session, Licence, [_licence(each, revision.id) for each in licences])
    expires_at = now + services.settings.token_ttl_s
    rows = [
        row
        for machine, some, count in zip(made, owned, tokens, strict=True)
        for row in _authorise(machine, some, count, expires_at)
    ]
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        with services.database.write() as session:
            _insert(session, Print, rows[first : first + _ROWS_AT_ONCE])
    return made


def _licences(publication: Publication, prints: int) -> list[typed_data.Licence]:
    """Give as many licences as so many live tokens need."""
    return [_statement(publication) for _ in range(-(-prints // SEQUENCE_WINDOW))]


def _statement(publication: Publication) -> typed_data.Licence:
    return typed_data.Licence(
        revision=publication.struct_hash(),
        owner=OWNER.address,
        provider=PROVIDER.address,
        printers=bytes(32),
        prints=2 * SEQUENCE_WINDOW,
        reprints=0,
        starts_at=int(time.time()) - 3600,
        expires_at=int(time.time()) + 86_400,
        terms=terms_commitment(_salt(), _TERMS),
        salt=secrets.token_bytes(32),
    )


def _salt() -> bytes:
    return bytes(32)


def _opening(
    domain: Domain,
    publication: Publication,
    machines: Sequence[Machine],
    licences: Sequence[typed_data.Licence],
) -> Iterator[Operation]:
    yield Publish(publication, OWNER.sign(digest(domain, publication)))
    for machine in machines:
        signed = digest(domain, machine.enrolment)
        yield Enrol(machine.enrolment, PROVIDER.sign(signed), sign_as_printer(machine.key, signed))
    for licence in licences:
        yield Grant(licence, OWNER.sign(digest(domain, licence)))


def _settle(services: Services, operations: Iterator[Operation]) -> None:
    """Put the operations on chain, in order; RuntimeError where one is refused."""
    with services.database.write() as session:
        appended = [submission.append(session, operation) for operation in operations]
    for operation_id in appended:
        found = submission.wait(services, operation_id, _PATIENCE_S)
        if found.state != submission.CONFIRMED:
            raise RuntimeError(f"{operation_id} is {found.state}: {found.reason}")


def _insert(session: Any, model: Any, rows: Sequence[dict[str, Any]]) -> None:
    session.connection().execute(insert(model.__table__), rows)


def _printer(domain: Domain, machine: Machine, now: int) -> dict[str, Any]:
    enrolment = machine.enrolment
    vouched = sealing_statement(enrolment, machine.sealing.suite, machine.sealing.public)
    return {
        "id": machine.id,
        "organisation_id": inventory.PROVIDER_ID,
        "name": machine.id,
        "machine": MACHINE,
        "state": PrinterState.ENROLLED,
        "key_x": enrolment.key_x,
        "key_y": enrolment.key_y,
        "sealing_suite": machine.sealing.suite,
        "sealing_public": machine.sealing.public,
        "possession_signature": sign_as_printer(machine.key, digest(domain, enrolment)),
        "sealing_signature": sign_as_printer(machine.key, digest(domain, vouched)),
        "printer_hash": enrolment.struct_hash(),
        "enrol_operation": f"enrol:0x{enrolment.struct_hash().hex()}",
        "created_at": now,
    }


def _licence(statement: typed_data.Licence, revision_id: str) -> dict[str, Any]:
    return {
        "id": _licence_id(statement),
        "owner_id": inventory.OWNER_ID,
        "provider_id": inventory.PROVIDER_ID,
        "revision_id": revision_id,
        "state": LicenceState.ACTIVE,
        "licence_hash": statement.struct_hash(),
        "statement": statement.to_json(),
        "printers": [],
        "terms": _TERMS.decode(),
        "terms_salt": _salt(),
        "prints": statement.prints,
        "reprints": statement.reprints,
        "starts_at": statement.starts_at,
        "expires_at": statement.expires_at,
        "grant_operation": f"grant:0x{statement.struct_hash().hex()}",
        "created_at": statement.starts_at,
    }


def _licence_id(statement: typed_data.Licence) -> str:
    return f"lic_{statement.salt.hex()[:24]}"


def _authorise(
    machine: Machine, licences: Sequence[typed_data.Licence], count: int, expires_at: int
) -> Iterator[dict[str, Any]]:
    """Give each token the row that authorising it would have written; licences take turns."""
    hashes = [licence.struct_hash() for licence in licences]
    for number in range(count):
        turn, licence = number // len(licences), licences[number % len(licences)]
        token, deadline = new_token(PRINT_TOKEN_PREFIX), expires_at + 300
        claim = PrintClaim(hashes[number % len(licences)], turn + 1, token.digest(), deadline)
        machine.tokens.append(Redeemable(token, claim))
        yield {
            "id": f"job_{token.digest().hex()[:24]}",
            "licence_id": _licence_id(licence),
            "printer_id": machine.id,
            "owner_id": inventory.OWNER_ID,
            "provider_id": inventory.PROVIDER_ID,
            "state": State.AUTHORISED,
            "sequence": claim.sequence,
            "holds_sequence": True,
            "token_sha256": claim.token,
            "token_expires_at": expires_at,
            "deadline": deadline,
            "reasons": [],
            "created_at": expires_at - 900,
        }
