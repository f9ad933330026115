"""Enrolment: a one-time code, the printer's public keys, and its signatures over them.

1. Keys are made on the device (`printer_agent.identity`) and kept before anything is sent.
2. The service answers code and keys with the two statements it wants signed, and the ledger's domain: the
   enrolment, as proof of possession, and the sealing key, so that others can verify whose it is.
3. The printer computes statements and digests itself; it signs only when both offered are its own.
4. Service address, provider, domain and its own name on chain are pinned. They are trusted on this first use:
   the operator compares the provider's address and the key's thumbprint with the provider, who approves.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from ledger.errors import TypedDataError
from ledger.sealing import sealing_statement
from ledger.typed_data import Domain, Enrolment, SealingKey, Struct, digest
from printer_agent.client import open_http, problem_of
from printer_agent.errors import IdentityError, Unreachable
from printer_agent.identity import Identity
from printer_agent.pins import Pins
from printer_agent.settings import Settings

_PATH = "/v1/printers/enrol"


@dataclass(frozen=True)
class Expectations:
    """What the operator knows beforehand; a field that is None is taken as the service says."""

    provider: str | None = None
    domain: Domain | None = None


@dataclass(frozen=True)
class Offer:
    """The service's answer to code and keys: whom the printer would belong to, and on which ledger."""

    printer_id: str
    enrolment: Enrolment
    sealing: SealingKey
    domain: Domain
    machine: Mapping[str, Any] | None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Offer:
        """Read the answer; IdentityError ("malformed_enrolment") where it is none."""
        try:
            domain = value["domain"]
            return cls(
                printer_id=str(value["printer_id"]),
                enrolment=Enrolment.from_json(value["enrolment"]),
                sealing=SealingKey.from_json(value["sealing"]),
                domain=Domain(chain_id=domain["chain_id"], contract=domain["contract"]),
                machine=value.get("machine"),
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
    transport: httpx2.BaseTransport | None = None,
) -> tuple[Identity, Offer]:
    """Enrol the identity's keys at `url`; give the identity with its pins and the offer it signed.

    Raises IdentityError where a statement is not the printer's own or not as expected, ServiceProblem where
    the service refuses (a used or expired code), Unreachable where it does not answer.
    """
    url = url.rstrip("/")
    body = {"enrolment_code": code.strip(), **public_keys(identity)}
    with open_http(url, settings, transport) as http:
        offer = Offer.from_json(_post(http, url, body))
        enrolment, sealing = check_offer(offer, identity, expected or Expectations())
        signatures = {
            "signature": _signature(identity, offer.domain, enrolment),
            "sealing_signature": _signature(identity, offer.domain, sealing),
        }
        answer = _post(http, url, {**body, **signatures})
    pins = Pins(url, offer.printer_id, enrolment.provider, offer.domain, enrolment.struct_hash())
    _check_answer(answer, pins)
    return identity.with_pins(pins), offer


def public_keys(identity: Identity) -> dict[str, Any]:
    """Give the public keys as the service takes them: P-256 point in hex, HPKE key in base64."""
    return {
        "signing_key": {"x": "0x" + identity.signing.x.hex(), "y": "0x" + identity.signing.y.hex()},
        "sealing_key": {
            "suite": identity.sealing.suite,
            "public": base64.b64encode(identity.sealing.public).decode(),
        },
    }


def check_offer(offer: Offer, identity: Identity, expected: Expectations) -> tuple[Enrolment, SealingKey]:
    """Make the statements the printer would sign and hold the offer against them; else IdentityError."""
    own = Enrolment(provider=offer.enrolment.provider, key_x=identity.signing.x, key_y=identity.signing.y)
    if own != offer.enrolment:
        raise IdentityError(
            "foreign_enrolment",
            "the service asked to sign an enrolment of another key",
            "tell the service's operator",
        )
    sealing = sealing_statement(own, identity.sealing.suite, identity.sealing.public)
    if sealing != offer.sealing:
        raise IdentityError(
            "foreign_sealing_key",
            "the service asked to sign another sealing key than this printer's",
            "tell the service's operator",
        )
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
    return own, sealing


def _signature(identity: Identity, domain: Domain, statement: Struct) -> str:
    return "0x" + identity.signing.sign(digest(domain, statement)).hex()


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
