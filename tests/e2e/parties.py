"""Owner, provider and printer as outsiders would write them: HTTP, their own keys, the published formats."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from ledger.commitment import canonical_json, report_commitment
from ledger.sealing import sealing_statement
from ledger.signer import AccountKey
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    Publication,
    Revocation,
    Struct,
    digest,
    print_id,
)
from storage.envelope import ObjectContext
from storage.recipients import SealingKey, open_sealed
from storage.stream import decrypt

TLS = ssl.create_default_context()  # made once: each one costs tens of milliseconds
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_seconds(seconds: float) -> str:
    return instant(datetime.now(UTC) + timedelta(seconds=seconds))


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def unhexed(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


@dataclass
class Party:
    """An API client of one organisation that signs with its own account."""

    url: str
    api_key: str
    account: AccountKey = field(default_factory=AccountKey.generate)
    organisation_id: str = ""

    def call(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.api_key}", **kwargs.pop("headers", {})}
        return httpx2.request(method, self.url + path, headers=headers, timeout=120, verify=TLS, **kwargs)

    def expect(self, status: int, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        answer = self.call(method, path, **kwargs)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def domain(self) -> Domain:
        ledger = self.expect(200, "GET", "/v1/ledger")
        return Domain(ledger["chain_id"], ledger["contract"])

    def sign(self, statement: Struct) -> str:
        return hexed(self.account.sign(digest(self.domain(), statement)))

    def new_organisation(self, name: str, *roles: str) -> Party:
        """As the operator: a new organisation with an account that only it holds."""
        account = AccountKey.generate()
        made = self.expect(
            201,
            "POST",
            "/v1/organisations",
            json={
                "name": name,
                "roles": list(roles),
                "account": {"type": "external", "address": account.address},
            },
        )
        return Party(self.url, made["api_key"]["key"], account, made["id"])


@dataclass
class Owner(Party):
    """A design owner."""

    @classmethod
    def of(cls, party: Party) -> Owner:
        return cls(party.url, party.api_key, party.account, party.organisation_id)

    def draft(self, name: str = "Leg cap", **recipe: Any) -> dict[str, Any]:
        design = self.expect(201, "POST", "/v1/designs", json={"name": name, "description": ""})
        body = {"recipe": {"process": "MEX", "material": "PETG", "parameters": {}, **recipe}}
        return self.expect(201, "POST", f"/v1/designs/{design['id']}/revisions", json=body)

    def upload(self, content: Any, filename: str = "part.stl", **recipe: Any) -> dict[str, Any]:
        """Upload and wait for the verdict; returns the revision."""
        revision = self.draft(**recipe)
        path = f"/v1/revisions/{revision['id']}"
        self.expect(202, "PUT", f"{path}/file", params={"filename": filename}, content=content)
        return self.inspected(revision["id"])

    def inspected(self, revision_id: str, timeout_s: float = 120.0) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            revision = self.expect(200, "GET", f"/v1/revisions/{revision_id}")
            if revision["state"] not in {"draft", "inspecting"}:
                return revision
            time.sleep(0.05)
        raise AssertionError("the inspection did not end")

    def publish(self, revision: dict[str, Any]) -> dict[str, Any]:
        publication = Publication(self.account.address, unhexed(revision["commitment"]))
        body = {"signature": self.sign(publication)}
        return self.expect(200, "POST", f"/v1/revisions/{revision['id']}/publish", json=body)

    def licence_request(self, revision: dict[str, Any], provider: Party, **terms: Any) -> dict[str, Any]:
        return {
            "revision_id": revision["id"],
            "provider_id": provider.organisation_id,
            "prints": 3,
            "reprints": 0,
            "starts_at": in_seconds(-60),
            "expires_at": in_seconds(3600),
            "printers": [],
            "terms": {},
            **terms,
        }

    def license(self, revision: dict[str, Any], provider: Party, **terms: Any) -> dict[str, Any]:
        prepared = self.expect(
            200, "POST", "/v1/licences/prepare", json=self.licence_request(revision, provider, **terms)
        )
        signature = self.sign(Licence.from_json(prepared["licence"]))
        return self.expect(201, "POST", "/v1/licences", json={**prepared["request"], "signature": signature})

    def revoke(self, licence: dict[str, Any]) -> dict[str, Any]:
        signature = self.sign(Revocation(unhexed(licence["licence_hash"])))
        return self.expect(200, "POST", f"/v1/licences/{licence['id']}/revoke", json={"signature": signature})


@dataclass
class Provider(Party):
    """A printing provider."""

    @classmethod
    def of(cls, party: Party) -> Provider:
        return cls(party.url, party.api_key, party.account, party.organisation_id)

    def authorise(self, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
        return self.expect(201, "POST", "/v1/prints", **self.print_request(licence, printer))

    def print_request(self, licence: dict[str, Any], printer: Printer) -> dict[str, Any]:
        return {
            "json": {"licence_id": licence["id"], "printer_id": printer.id},
            "headers": {"Idempotency-Key": secrets.token_hex(16)},
        }

    def new_printer(self, name: str = "Printer", **machine: Any) -> Printer:
        body = {
            "name": name,
            "machine": {
                "model": "Workhorse",
                "build_volume_mm": [250, 210, 210],
                "processes": ["MEX"],
                "materials": ["PETG"],
                **machine,
            },
        }
        made = self.expect(201, "POST", "/v1/printers", json=body)
        printer = Printer(self.url, self.domain(), made["id"])
        printer.enrol(made["enrolment_code"])
        shown = self.expect(200, "GET", f"/v1/printers/{made['id']}")
        signature = self.sign(Enrolment.from_json(shown["enrolment"]))
        self.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json={"signature": signature})
        return printer


@dataclass
class Printer:
    """A machine: a P-256 key that signs and an HPKE key that opens, both made here."""

    url: str
    domain: Domain
    id: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sealing: SealingKey = field(default_factory=lambda: SealingKey.generate("MLKEM768-X25519"))

    def coordinates(self) -> tuple[bytes, bytes]:
        numbers = self.key.public_key().public_numbers()
        return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")

    def sign(self, statement: Struct) -> str:
        prehashed = ec.ECDSA(Prehashed(hashes.SHA256()))
        r, s = decode_dss_signature(self.key.sign(digest(self.domain, statement), prehashed))
        return hexed(r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big"))

    def enrol(self, code: str) -> None:
        x, y = self.coordinates()
        body: dict[str, Any] = {
            "enrolment_code": code,
            "signing_key": {"x": hexed(x), "y": hexed(y)},
            "sealing_key": {
                "suite": self.sealing.suite,
                "public": base64.b64encode(self.sealing.public).decode(),
            },
        }
        first = httpx2.post(f"{self.url}/v1/printers/enrol", json=body, timeout=60, verify=TLS)
        assert first.status_code == 200, first.text
        enrolment = Enrolment.from_json(first.json()["enrolment"])
        sealing = sealing_statement(enrolment, self.sealing.suite, self.sealing.public)
        body |= {"signature": self.sign(enrolment), "sealing_signature": self.sign(sealing)}
        second = httpx2.post(f"{self.url}/v1/printers/enrol", json=body, timeout=60, verify=TLS)
        assert second.status_code == 200, second.text

    def proof(self, method: str, path: str, access: str) -> dict[str, str]:
        """Headers with a fresh DPoP proof (RFC 9449, section 4.2) for `access`."""
        x, y = self.coordinates()
        proof = jwt.encode(
            {
                "jti": secrets.token_urlsafe(16),
                "htm": method,
                "htu": self.url + path,
                "iat": int(time.time()),
                "ath": _b64url(hashlib.sha256(access.encode()).digest()),
            },
            self.key,
            algorithm="ES256",
            headers={
                "typ": "dpop+jwt",
                "jwk": {"kty": "EC", "crv": "P-256", "x": _b64url(x), "y": _b64url(y)},
            },
        )
        return {"Authorization": f"DPoP {access}", "DPoP": proof}

    def call(self, method: str, path: str, access: str, **kwargs: Any) -> httpx2.Response:
        headers = {**self.proof(method, path, access), **kwargs.pop("headers", {})}
        return httpx2.request(method, self.url + path, headers=headers, timeout=120, verify=TLS, **kwargs)

    def redeem(self, token: str, idempotency_key: str | None = None) -> httpx2.Response:
        shown = self.call("GET", "/v1/prints/claim", token)
        if shown.status_code != 200:
            return shown
        return self.redeem_claim(token, PrintClaim.from_json(shown.json()["claim"]), idempotency_key)

    def redeem_claim(
        self, token: str, claim: PrintClaim, idempotency_key: str | None = None
    ) -> httpx2.Response:
        return self.call(
            "POST",
            "/v1/prints/redeem",
            token,
            json={"claim": claim.to_json(), "signature": self.sign(claim)},
            headers={"Idempotency-Key": idempotency_key or secrets.token_hex(16)},
        )

    def download(self, release: dict[str, Any]) -> httpx2.Response:
        return self.call("GET", f"/v1/releases/{release['release_id']}/object", self.id)

    def open(self, release: dict[str, Any], ciphertext: bytes) -> bytes:
        key = open_sealed(
            base64.b64decode(release["sealed_key"]["blob"]), self.sealing, release["info"].encode()
        )
        context = ObjectContext(**release["object"]["context"])
        return b"".join(bytes(piece) for piece in decrypt(iter([ciphertext]), key, context))

    def report(
        self, release: dict[str, Any], licence_hash: str, sequence: int, result: int
    ) -> httpx2.Response:
        document = _report(release, licence_hash, sequence, result)
        salt = secrets.token_bytes(32)
        outcome = PrintOutcome(
            print_id(unhexed(licence_hash), sequence),
            result,
            report_commitment(salt, canonical_json(document)),
        )
        body = {
            "outcome": outcome.to_json(),
            "report": document,
            "report_salt": hexed(salt),
            "signature": self.sign(outcome),
        }
        return self.call("POST", f"/v1/prints/{release['print_id']}/outcome", self.id, json=body)


def _report(release: dict[str, Any], licence_hash: str, sequence: int, result: int) -> dict[str, Any]:
    """An honest report of a print as it was released."""
    manifest = json.loads(release["manifest"])
    counted = datetime.fromtimestamp(release["receipt"]["block_time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    part = {"design": manifest["design"], "revision": manifest["revision"]}
    return {
        "format": "partvault/report/v1",
        "print": hexed(print_id(unhexed(licence_hash), sequence)),
        "printer": release["printer_hash"],
        "revision": release["licence"]["revision"],
        "part": {**part, "file": manifest["files"][0]["filename"]},
        "agent": "test 1",
        "driver": "none",
        "machine": {"model": "Workhorse", "serial": None},
        "material": {"name": manifest["recipe"].get("material"), "batch": None},
        "serials": [f"{release['print_id']}-1"],
        "started_at": counted,
        "ended_at": counted,
        "measurements": [],
        "mass_g": None,
        "result": {1: "completed", 2: "failed", 3: "cancelled"}[result],
        "detail": "measured",
    }


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def problem(answer: httpx2.Response) -> dict[str, Any]:
    """The problem document of a refusal (RFC 9457)."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    document = json.loads(answer.text)
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    return dict(document)
