"""Enrolment: a one-time code, the printer's public keys, and its signatures over them.

1. Keys are made on the device (`printer_agent.identity`) and kept before anything is sent.
2. The service answers code and keys with the statements it wants signed, and the ledger's domain: the
   enrolment, as proof of possession; the sealing key, so that others can verify whose it is; and, where keys
   rotate, the succession, which the printer's keys of before sign.
3. The printer computes statements and digests itself; it signs only when those offered are its own.
4. A device that attests its keys does so over the digest of the sealing statement, which names them all, and
   opens the service's challenge to its endorsement key (docs/formats/attestation.md).
5. Service address, provider, domain and its own name on chain are pinned. They are trusted on this first use:
   the operator compares the provider's address and the key's thumbprint with the provider, who approves. In a
   rotation they must be the ones pinned before.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2

from ledger.errors import TypedDataError
from ledger.sealing import sealing_statement
from ledger.succession import Succession
from ledger.typed_data import Domain, Enrolment, SealingKey, Struct, digest
from printer_agent.client import open_http, problem_of
from printer_agent.errors import IdentityError, Unreachable
from printer_agent.identity import Identity
from printer_agent.keys.base import Attestor
from printer_agent.pins import Pins
from printer_agent.settings import Settings

_PATH = "/v1/printers/enrol"


@dataclass(frozen=True)
class Expectations:
    """What is known beforehand; a field that is None is taken as the service says.

    predecessor: the enrolled identity whose keys rotate; None where a printer enrols for the first time
    """

    provider: str | None = None
    domain: Domain | None = None
    predecessor: Identity | None = None

    @classmethod
    def after(cls, predecessor: Identity) -> Expectations:
        """Expect what a printer pinned when it was enrolled before."""
        pins = predecessor.enrolled
        return cls(pins.provider, pins.domain, predecessor)


@dataclass(frozen=True)
class Statements:
    """What the printer signs, made by itself."""

    enrolment: Enrolment
    sealing: SealingKey
    succession: Succession | None


@dataclass(frozen=True)
class Offer:
    """The service's answer to code and keys: whom the printer would belong to, and on which ledger.

    challenge: what the device that attests the keys is to open, None where there is nothing to open
    """

    printer_id: str
    enrolment: Enrolment
    sealing: SealingKey
    succession: Succession | None
    domain: Domain
    machine: Mapping[str, Any] | None
    challenge: tuple[str, str] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Offer:
        """Read the answer; IdentityError ("malformed_enrolment") where it is none."""
        try:
            domain, succession, challenge = value["domain"], value.get("succession"), value.get("challenge")
            return cls(
                printer_id=str(value["printer_id"]),
                enrolment=Enrolment.from_json(value["enrolment"]),
                sealing=SealingKey.from_json(value["sealing"]),
                succession=None if succession is None else Succession.from_json(succession),
                domain=Domain(chain_id=domain["chain_id"], contract=domain["contract"]),
                machine=value.get("machine"),
                challenge=None if challenge is None else (str(challenge["blob"]), str(challenge["secret"])),
            )
        except (KeyError, TypeError, ValueError, TypedDataError) as error:
            raise IdentityError(
                "malformed_enrolment", f"the service sent no readable enrolment: {error!r}"
            ) from error


def enrol(
    identity: Identity,
    url: str,
    code: str,
    settings: Settings,
    *,
    expected: Expectations | None = None,
    keep: Callable[[Identity], None] | None = None,
    transport: httpx2.BaseTransport | None = None,
) -> tuple[Identity, Offer]:
    """Enrol the identity's keys at `url`; give the identity with its pins and the offer it signed.

    `keep` is given the identity with its pins before the signatures are sent: the service may have taken them
    even where its answer never comes.

    Raises IdentityError where a statement is not the printer's own or not as expected, ServiceProblem where
    the service refuses (a used or expired code), Unreachable where it does not answer.
    """
    url, expected = url.rstrip("/"), expected or Expectations()
    body = {"enrolment_code": code.strip(), **public_keys(identity)}
    with open_http(url, settings, transport) as http:
        offer = Offer.from_json(_post(http, url, body))
        statements = check_offer(offer, identity, expected)
        if identity.keys.attestor is not None:
            binding = digest(offer.domain, statements.sealing)
            body["attestation"] = _attested(identity.keys.attestor, binding, partial(_post, http, url), body)
        enrolment = statements.enrolment
        pins = Pins(url, offer.printer_id, enrolment.provider, offer.domain, enrolment.struct_hash())
        enrolled = identity.with_pins(pins)
        if keep is not None:
            keep(enrolled)
        answer = _post(http, url, {**body, **_signatures(identity, offer.domain, statements, expected)})
    _check_answer(answer, pins)
    return enrolled, offer


def public_keys(identity: Identity) -> dict[str, Any]:
    """Give the public keys as the service takes them: P-256 point in hex, HPKE key in base64."""
    return {
        "signing_key": {"x": "0x" + identity.signing.x.hex(), "y": "0x" + identity.signing.y.hex()},
        "sealing_key": {
            "suite": identity.sealing.suite,
            "public": base64.b64encode(identity.sealing.public).decode(),
        },
    }


def check_offer(offer: Offer, identity: Identity, expected: Expectations) -> Statements:
    """Make the statements the printer would sign and hold the offer against them; else IdentityError.

    1. The enrolment is of this printer's signing key.
    2. The sealing key is this printer's.
    3. The succession is from the keys of before to these, and there is one only where keys rotate.
    4. Provider and ledger are the expected ones.
    """
    # (1) the enrolment
    own = Enrolment(provider=offer.enrolment.provider, key_x=identity.signing.x, key_y=identity.signing.y)
    _require(
        own == offer.enrolment, "foreign_enrolment", "the service asked to sign an enrolment of another key"
    )
    # (2) the sealing key
    sealing = sealing_statement(own, identity.sealing.suite, identity.sealing.public)
    _require(
        sealing == offer.sealing,
        "foreign_sealing_key",
        "the service asked to sign another sealing key than this printer's",
    )
    # (3) the succession
    succession = _succession(own, offer, expected.predecessor)
    # (4) provider and ledger
    if expected.provider is not None and expected.provider.lower() != own.provider.lower():
        raise IdentityError(
            "wrong_provider",
            f"the code enrols for provider {own.provider}, expected was {expected.provider}",
            "ask the provider for its address and for a new code",
        )
    if expected.domain is not None and expected.domain != offer.domain:
        raise IdentityError(
            "wrong_domain",
            f"the service's ledger is {offer.domain.contract} on chain {offer.domain.chain_id}, expected was"
            f" {expected.domain.contract} on chain {expected.domain.chain_id}",
            "ask the provider which ledger it uses",
        )
    return Statements(own, sealing, succession)


def _succession(own: Enrolment, offer: Offer, predecessor: Identity | None) -> Succession | None:
    """(3) the statement that the keys of before would sign."""
    if predecessor is None:
        if offer.succession is not None:
            raise IdentityError(
                "rotation_code",
                "the code is for new keys of a printer that is enrolled already",
                "run `partvault-printer rotate` in that printer's --home",
            )
        return None
    if offer.succession is None:
        raise IdentityError(
            "enrolment_code",
            "the code enrols a new printer, it does not rotate this one's keys",
            "ask the provider to run `partvault printer rotate`",
        )
    made = Succession(predecessor=predecessor.enrolled.printer_hash, successor=own.struct_hash())
    _require(
        made == offer.succession,
        "foreign_succession",
        "the service asked to sign another printer's succession",
    )
    return made


def _attested(
    attestor: Attestor,
    binding: bytes,
    post: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    body: Mapping[str, Any],
) -> dict[str, Any]:
    """Have the device attest its keys, show that to the service, and open the challenge it answers with."""
    evidence = attestor.evidence(binding)
    offer = Offer.from_json(post({**body, "attestation": {"evidence": evidence}}))
    if offer.challenge is None:
        return {"evidence": evidence}
    return {"evidence": evidence, "activation": attestor.activate(*offer.challenge)}


def _signatures(
    identity: Identity, domain: Domain, statements: Statements, expected: Expectations
) -> dict[str, str]:
    found = {
        "signature": _signature(identity, domain, statements.enrolment),
        "sealing_signature": _signature(identity, domain, statements.sealing),
    }
    if statements.succession is not None and expected.predecessor is not None:
        found["succession_signature"] = _signature(expected.predecessor, domain, statements.succession)
    return found


def _signature(identity: Identity, domain: Domain, statement: Struct) -> str:
    return "0x" + identity.signing.sign(digest(domain, statement)).hex()


def _require(holds: bool, kind: str, sentence: str) -> None:
    if not holds:
        raise IdentityError(kind, sentence, "tell the service's operator")


def _check_answer(answer: Mapping[str, Any], pins: Pins) -> None:
    named = str(answer.get("printer_hash", ""))
    if named.lower() != "0x" + pins.printer_hash.hex():
        raise IdentityError(
            "wrong_printer_hash",
            f"the service calls this printer {named}, its name is 0x{pins.printer_hash.hex()}",
        )


def _post(http: httpx2.Client, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        response = http.post(url + _PATH, json=body)
    except httpx2.TransportError as error:
        raise Unreachable(
            "no_answer",
            f"{url} does not answer: {error}",
            "check the address and the network, then run it again",
        ) from error
    if not response.is_success:
        raise problem_of(response)
    value = response.json()
    if not isinstance(value, dict):
        raise IdentityError("malformed_enrolment", "the service's answer is not a JSON object")
    return value
