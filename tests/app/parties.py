"""Owner, provider and printer, as clients of a service in this process."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from app.clock import rfc3339
from ledger.commitment import canonical_json, report_commitment
from ledger.sealing import sealing_statement
from ledger.signatures import sign_as_printer
from ledger.signer import AccountKey
from ledger.typed_data import Enrolment, PrintClaim, PrintOutcome, Struct, digest, print_id
from storage.recipients import SealingKey
from tests.app.parts import box
from tests.app.service import Service, until

_numbers = itertools.count()
MACHINE = {
    "model": "Workhorse",
    "build_volume_mm": [250, 210, 210],
    "processes": ["MEX"],
    "materials": ["PETG"],
}
RECIPE = {"process": "MEX", "material": "PETG", "parameters": {"layer_mm": 0.2}}


@dataclass
class Party:
    """An organisation's API client; `account` is its own key where the service has none."""

    service: Service
    id: str
    key: str
    address: str
    account: AccountKey | None = None

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        return self.service.call(method, path, self.key, **options)

    def expect(self, status: int, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def sign(self, statement: Struct) -> str:
        assert self.account is not None
        return "0x" + self.account.sign(digest(self.service.domain, statement)).hex()

    # as an owner
    def draft(self, **recipe: Any) -> dict[str, Any]:
        design = self.expect(201, "POST", "/v1/designs", json={"name": "Leg cap"})
        body = {"recipe": RECIPE | recipe}
        return self.expect(201, "POST", f"/v1/designs/{design['id']}/revisions", json=body)

    def upload(
        self, revision: dict[str, Any], content: Any = None, filename: str = "part.stl", **options: Any
    ) -> httpx2.Response:
        path = f"/v1/revisions/{revision['id']}/file"
        content = box() if content is None else content
        return self.call("PUT", path, params={"filename": filename}, content=content, **options)

    def inspected(
        self, content: bytes | None = None, filename: str = "part.stl", **recipe: Any
    ) -> dict[str, Any]:
        revision = self.draft(**recipe)
        answer = self.upload(revision, content, filename)
        assert answer.status_code == 202, answer.text
        path = f"/v1/revisions/{revision['id']}"

        def judged() -> Any:
            seen = self.expect(200, "GET", path)
            return seen if seen["state"] != "inspecting" else None

        return dict(until(judged))

    def published(
        self, content: bytes | None = None, filename: str = "part.stl", **recipe: Any
    ) -> dict[str, Any]:
        revision = self.inspected(content, filename, **recipe)
        assert revision["state"] == "ready", revision["inspection"]
        return self.expect(200, "POST", f"/v1/revisions/{revision['id']}/publish", json={})

    def licence_request(self, revision: dict[str, Any], provider: Party, **changes: Any) -> dict[str, Any]:
        now = self.service.clock.now()
        return {
            "revision_id": revision["id"],
            "provider_id": provider.id,
            "prints": 2,
            "reprints": 1,
            "starts_at": rfc3339(now - 60),
            "expires_at": rfc3339(now + 3600),
        } | changes

    def license(self, revision: dict[str, Any], provider: Party, **changes: Any) -> dict[str, Any]:
        body = self.licence_request(revision, provider, **changes)
        return self.expect(201, "POST", "/v1/licences", json=body)

    def revoke(self, licence: dict[str, Any]) -> dict[str, Any]:
        return self.expect(200, "POST", f"/v1/licences/{licence['id']}/revoke", json={})

    # as a provider
    def printer(self, *, approve: bool = True, **machine: Any) -> Printer:
        body = {"name": "Printer", "machine": MACHINE | machine}
        made = self.expect(201, "POST", "/v1/printers", json=body)
        printer = Printer(self.service, made["id"])
        assert printer.enrol(made["enrolment_code"]).status_code == 200
        if approve:
            self.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json={})
        return printer

    def ask(self, licence: dict[str, Any], printer: Printer, key: str | None = None) -> httpx2.Response:
        return self.call(
            "POST",
            "/v1/prints",
            json={"licence_id": licence["id"], "printer_id": printer.id},
            headers={"Idempotency-Key": key or secrets.token_hex(16)},
        )

    def authorise(self, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
        answer = self.ask(licence, printer)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def check(self, licence: dict[str, Any], printer: Printer) -> list[str]:
        body = {"licence_id": licence["id"], "printer_id": printer.id}
        return [
            reason["code"] for reason in self.expect(200, "POST", "/v1/prints/check", json=body)["reasons"]
        ]

    def recorded(self, licence: dict[str, Any]) -> int:
        return int(self.expect(200, "GET", f"/v1/licences/{licence['id']}")["prints_recorded"])


def new_party(service: Service, *roles: str, external: bool = False) -> Party:
    """A new organisation, made by the operator."""
    account = AccountKey.generate() if external else None
    wanted = {"type": "external", "address": account.address} if account else {"type": "managed"}
    body = {"name": f"{roles[0]} {next(_numbers)} {secrets.token_hex(3)}", "roles": roles, "account": wanted}
    answer = service.call("POST", "/v1/organisations", service.operator_key, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return Party(service, made["id"], made["api_key"]["key"], made["account"]["address"], account)


@dataclass
class Printer:
    """A machine with its two keys."""

    service: Service
    id: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sealing: SealingKey = field(default_factory=SealingKey.generate)

    def coordinates(self) -> tuple[bytes, bytes]:
        numbers = self.key.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")

    def sign(self, statement: Struct) -> str:
        return "0x" + sign_as_printer(self.key, digest(self.service.domain, statement)).hex()

    def enrolment_body(self, code: str) -> dict[str, Any]:
        x, y = self.coordinates()
        public = base64.b64encode(self.sealing.public).decode()
        return {
            "enrolment_code": code,
            "signing_key": {"x": "0x" + x.hex(), "y": "0x" + y.hex()},
            "sealing_key": {"suite": self.sealing.suite, "public": public},
        }

    def enrol(self, code: str) -> httpx2.Response:
        body = self.enrolment_body(code)
        offer = self.service.client.post("/v1/printers/enrol", json=body)
        if offer.status_code != 200:
            return offer
        body |= self.signatures(offer.json()["enrolment"]["provider"])
        return self.service.client.post("/v1/printers/enrol", json=body)

    def signatures(self, provider: str) -> dict[str, str]:
        """What enrols the printer with a provider, by its address."""
        enrolment = Enrolment(provider, *self.coordinates())
        sealing = sealing_statement(enrolment, self.sealing.suite, self.sealing.public)
        return {"signature": self.sign(enrolment), "sealing_signature": self.sign(sealing)}

    def proof(self, method: str, path: str, access: str, **changes: Any) -> str:
        """A DPoP proof; `changes` replace claims, `header` members of its header, `signer` the key."""
        x, y = self.coordinates()
        header = {"typ": "dpop+jwt", "jwk": {"kty": "EC", "crv": "P-256", "x": _b64url(x), "y": _b64url(y)}}
        header |= changes.pop("header", {})
        signer, algorithm = changes.pop("signer", self.key), changes.pop("algorithm", "ES256")
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": f"http://testserver{path}",
            "iat": self.service.clock.now(),
            "ath": _b64url(hashlib.sha256(access.encode()).digest()),
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, signer, algorithm=algorithm, headers=header)

    def call(self, method: str, path: str, access: str, **options: Any) -> httpx2.Response:
        proof = options.pop("proof", None) or self.proof(method, path, access)
        headers = {"Authorization": f"DPoP {access}", "DPoP": proof} | options.pop("headers", {})
        return self.service.client.request(method, path, headers=headers, **options)

    def claim(self, token: str) -> httpx2.Response:
        return self.call("GET", "/v1/prints/claim", token)

    def redeem(self, token: str, key: str | None = None) -> httpx2.Response:
        shown = self.claim(token)
        if shown.status_code != 200:
            return shown
        return self.redeem_claim(token, PrintClaim.from_json(shown.json()["claim"]), key)

    def redeem_claim(self, token: str, claim: PrintClaim, key: str | None = None) -> httpx2.Response:
        body = {"claim": claim.to_json(), "signature": self.sign(claim)}
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        return self.call("POST", "/v1/prints/redeem", token, json=body, headers=headers)

    def download(self, release: dict[str, Any], **headers: str) -> httpx2.Response:
        return self.call("GET", release["object"]["url"], self.id, headers=headers)

    def report_on(
        self, licence: dict[str, Any], sequence: int, result: int, **changes: Any
    ) -> dict[str, Any]:
        """An honest report; `changes` replace members of it."""
        revision = licence["licence"]["revision"]
        query = "select manifest from revisions where revision_hash = ?"
        manifest = json.loads(self.service.column(query, bytes.fromhex(revision[2:])))
        enrolment = Enrolment(licence["licence"]["provider"], *self.coordinates())
        now = rfc3339(self.service.clock.now())
        return {
            "format": "partvault/report/v1",
            "print": "0x" + print_id(bytes.fromhex(licence["licence_hash"][2:]), sequence).hex(),
            "printer": "0x" + enrolment.struct_hash().hex(),
            "revision": revision,
            "part": {
                "design": manifest["design"],
                "revision": manifest["revision"],
                "file": manifest["files"][0]["filename"],
            },
            "agent": "test 1",
            "driver": "folder",
            "machine": {"model": "Workhorse", "serial": None},
            "material": {"name": "PETG", "batch": "LOT 7"},
            "serials": [],
            "started_at": now,
            "ended_at": now,
            "measurements": [],
            "mass_g": None,
            "result": {1: "completed", 2: "failed", 3: "cancelled"}[result],
            "detail": "measured",
        } | changes

    def outcome_body(
        self, licence: dict[str, Any], sequence: int, result: int, **changes: Any
    ) -> dict[str, Any]:
        """A signed outcome with its report; `changes` replace members of the report before it is signed."""
        document = self.report_on(licence, sequence, result, **changes)
        printed = print_id(bytes.fromhex(licence["licence_hash"][2:]), sequence)
        return self.signed_outcome(printed, result, document)

    def signed_outcome(self, printed: bytes, result: int, document: dict[str, Any]) -> dict[str, Any]:
        salt = secrets.token_bytes(32)
        outcome = PrintOutcome(printed, result, report_commitment(salt, canonical_json(document)))
        return {
            "outcome": outcome.to_json(),
            "report": document,
            "report_salt": "0x" + salt.hex(),
            "signature": self.sign(outcome),
        }

    def report(
        self, release: dict[str, Any], licence: dict[str, Any], sequence: int, result: int, **changes: Any
    ) -> httpx2.Response:
        body = self.outcome_body(licence, sequence, result, **changes)
        return self.call("POST", f"/v1/prints/{release['print_id']}/outcome", self.id, json=body)


def problem(answer: httpx2.Response, slug: str | None = None) -> dict[str, Any]:
    """The problem document of a refusal (RFC 9457), of the named type."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = dict(answer.json())
    assert document["status"] == answer.status_code
    assert document["title"]
    if slug is not None:
        assert document["type"] == f"urn:partvault:problem:{slug}", document
    return document


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
