"""A service in memory that speaks the printer's half of the API with real cryptography, and can fail and lie.

Its faults are given by a test: `lie` edits an answer before it is sent, `faults` are raised or returned once
each in the place of the next answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from ledger.commitment import canonical_json, revision_commitment
from ledger.print_report import PrintReport
from ledger.sealing import sealing_statement, verify_sealing_key
from ledger.signatures import verify_printer_signature
from ledger.typed_data import (
    Domain,
    Enrolment,
    Licence,
    PrintClaim,
    PrintOutcome,
    Publication,
    digest,
    print_id,
)
from storage.envelope import ObjectContext
from storage.recipients import seal
from storage.secret import DataKey
from storage.stream import encrypt

URL = "http://127.0.0.1:8000"
DOMAIN = Domain(chain_id=20566, contract="0x" + "11" * 20)
OWNER, PROVIDER = "0x" + "22" * 20, "0x" + "33" * 20
CONTEXT = ObjectContext(tenant="org_owner", object_id="obj_1", version=1, kind="print-file")
Answer = httpx2.Response | httpx2.TransportError
Lie = Callable[[dict[str, Any]], None]


def tetrahedron() -> bytes:
    """A closed tetrahedron of 20 mm as ASCII STL."""
    a, b, c, d = (0, 0, 0), (20, 0, 0), (0, 20, 0), (0, 0, 20)
    facets = ((a, c, b), (a, b, d), (a, d, c), (b, c, d))
    lines = ["solid part"]
    for facet in facets:
        lines += ["facet normal 0 0 0", "outer loop", *(f"vertex {x} {y} {z}" for x, y, z in facet)]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, "endsolid part", ""]).encode()


@dataclass
class FakeService:
    """One provider's printer, one revision, one licence; a token for every print authorised."""

    plaintext: bytes = field(default_factory=tetrahedron)
    recipe: dict[str, Any] = field(default_factory=lambda: {"process": "MEX", "material": "PLA"})
    filename: str = "cap.stl"
    custody: str = "service"
    prints: int = 3
    code: str = "one-time-code"
    machine: dict[str, Any] | None = None
    faults: list[Answer | None] = field(default_factory=list)
    lies: dict[str, Lie] = field(default_factory=dict)
    requests: list[httpx2.Request] = field(default_factory=list)
    proofs: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)
    released: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    nonce: str | None = None

    def __post_init__(self) -> None:
        self.key = DataKey.generate()
        self.ciphertext = b"".join(bytes(piece) for piece in encrypt([self.plaintext], self.key, CONTEXT))
        self.salt = secrets.token_bytes(32)
        self.manifest = canonical_json(self._manifest()).decode()
        self.commitment = revision_commitment(self.salt, self.manifest.encode())
        publication = Publication(owner=OWNER, commitment=self.commitment)
        self.revision_hash = publication.struct_hash()
        self.licence = Licence(
            revision=self.revision_hash,
            owner=OWNER,
            provider=PROVIDER,
            printers=bytes(32),
            prints=self.prints,
            reprints=1,
            starts_at=0,
            expires_at=2**40,
            terms=bytes(32),
            salt=bytes(32),
        )

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self._answer)

    def authorise(self) -> str:
        """Give a print token for the next sequence number."""
        token = secrets.token_urlsafe(32)
        self.tokens[token] = len(self.tokens) + 1
        return token

    def calls(self, path: str) -> list[httpx2.Request]:
        return [request for request in self.requests if request.url.path == path]

    def _manifest(self) -> dict[str, Any]:
        file = {
            "filename": self.filename,
            "format": "stl-ascii",
            "bytes": len(self.plaintext),
            "sha256": hashlib.sha256(self.plaintext).hexdigest(),
            "object": CONTEXT.to_json(),
        }
        return {
            "format": "partvault/manifest/v1",
            "design": "dsn_1",
            "revision": 1,
            "revision_id": "rev_1",
            "owner": OWNER,
            "custody": self.custody,
            "files": [file],
            "recipe": self.recipe,
            "geometry": {},
        }

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        if self.faults and (fault := self.faults.pop(0)) is not None:
            if isinstance(fault, httpx2.Response):
                return fault
            raise fault
        path = request.url.path
        if path == "/v1/printers/enrol":
            return self._enrol(json.loads(request.content))
        if path == "/readyz":
            return httpx2.Response(200, json={"ok": True})
        refusal = self._check_proof(request)
        if refusal is not None:
            return refusal
        if path == "/v1/prints/claim":
            return self._claim(request)
        if path == "/v1/prints/redeem":
            return self._redeem(request)
        if path.endswith("/object"):
            return self._object(request)
        if (match := re.fullmatch(r"/v1/prints/(\w+)/outcome", path)) is not None:
            return self._outcome(match[1], json.loads(request.content))
        return httpx2.Response(404)

    def _enrol(self, body: dict[str, Any]) -> httpx2.Response:
        if body["enrolment_code"] != self.code:
            return problem(404, "not-found", "no such enrolment code")
        x, y = (bytes.fromhex(body["signing_key"][name][2:]) for name in "xy")
        enrolment = Enrolment(provider=PROVIDER, key_x=x, key_y=y)
        suite, public = body["sealing_key"]["suite"], base64.b64decode(body["sealing_key"]["public"])
        answer: dict[str, Any] = {
            "printer_id": "prt_1",
            "domain": _domain(),
            "enrolment": enrolment.to_json(),
            "sealing": sealing_statement(enrolment, suite, public).to_json(),
        }
        if "signature" in body:
            signature = bytes.fromhex(body["signature"][2:])
            assert verify_printer_signature(digest(DOMAIN, enrolment), x, y, signature)
            self.enrolment, self.key_numbers = enrolment, (x, y)
            vouching = bytes.fromhex(body["sealing_signature"][2:])
            named = verify_sealing_key(DOMAIN, PROVIDER, x, y, suite, public, vouching)
            self.suite, self.public = suite, public
            answer |= {"printer_hash": "0x" + named.hex(), "state": "awaiting_approval"}
        if self.machine is not None:
            answer["machine"] = self.machine
        return self._say("enrol", answer)

    def _check_proof(self, request: httpx2.Request) -> httpx2.Response | None:
        """Hold the DPoP proof against RFC 9449, section 4.3, by another implementation than the agent's."""
        x, y = (int.from_bytes(number, "big") for number in self.key_numbers)
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        scheme, _, token = request.headers["Authorization"].partition(" ")
        claims = jwt.decode(request.headers["DPoP"], public, algorithms=["ES256"])
        header = jwt.get_unverified_header(request.headers["DPoP"])
        ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        assert (scheme, header["typ"], claims["ath"]) == ("DPoP", "dpop+jwt", ath)
        assert (claims["htm"], claims["htu"]) == (request.method, URL + request.url.path)
        assert claims["jti"] not in {proof["jti"] for proof in self.proofs}
        self.proofs.append(claims)
        if self.nonce is not None and claims.get("nonce") != self.nonce:
            return httpx2.Response(401, headers={"DPoP-Nonce": self.nonce})
        return None

    def _token(self, request: httpx2.Request) -> str:
        return request.headers["Authorization"].removeprefix("DPoP ")

    def _claim(self, request: httpx2.Request) -> httpx2.Response:
        token = self._token(request)
        if token not in self.tokens:
            return problem(401, "token-unknown", "the token is unknown, used or expired")
        claim = PrintClaim(
            licence=self.licence.struct_hash(),
            sequence=self.tokens[token],
            token=hashlib.sha256(token.encode()).digest(),
            deadline=2**40,
        )
        answer = {"print_id": f"job_{self.tokens[token]}", "claim": claim.to_json(), "domain": _domain()}
        answer |= {"revision_hash": "0x" + self.revision_hash.hex(), **self._terms()}
        return self._say("claim", answer)

    def _redeem(self, request: httpx2.Request) -> httpx2.Response:
        token, body = self._token(request), request.content
        if token not in self.tokens:
            return problem(401, "token-unknown", "the token is unknown, used or expired")
        value = json.loads(body)
        claim = PrintClaim.from_json(value["claim"])
        signature = bytes.fromhex(value["signature"][2:])
        assert verify_printer_signature(digest(DOMAIN, claim), *self.key_numbers, signature)
        if claim.sequence > self.prints:
            reasons = [{"code": "count_exhausted", "message": "all 3 prints are used"}]
            return problem(409, "refused-by-ledger", "the ledger refused the print", reasons)
        key = request.headers["Idempotency-Key"]
        if token in self.released:
            first, answer = self.released[token]
            assert first == key.encode() + body, "a retry sent other bytes"
            return httpx2.Response(200, content=answer)
        response = self._release(claim.sequence)
        self.released[token] = (key.encode() + body, response.content)
        return response

    def _release(self, sequence: int) -> httpx2.Response:
        release_id = f"rel_{sequence}"
        info = self.info(release_id, self.custody)
        blob = seal(self.key, self.suite, self.public, info.encode())
        return self._say(
            "release",
            {
                "release_id": release_id,
                "print_id": f"job_{sequence}",
                "printer_hash": "0x" + self.enrolment.struct_hash().hex(),
                "sealed_key": {"suite": self.suite, "blob": base64.b64encode(blob).decode()},
                "info": info,
                "object": self._released_object(release_id),
                "receipt": {"transaction": "0x" + "ab" * 32, "block_number": 7},
                **self._terms(),
            },
        )

    def info(self, release_id: str, custody: str) -> str:
        """The info string of a seal by the service, bound to a release, or by the owner, to the licence."""
        bound = {
            "service": {"format": "partvault/release/v1", "release": release_id},
            "owner": {
                "format": "partvault/grant/v1",
                "licence": "0x" + self.licence.struct_hash().hex(),
            },
        }[custody]
        binding = {
            **bound,
            "printer": "0x" + self.enrolment.struct_hash().hex(),
            "object": CONTEXT.to_json(),
            "commitment": "0x" + self.commitment.hex(),
        }
        return canonical_json(binding).decode()

    def _released_object(self, release_id: str) -> dict[str, Any]:
        return {
            "url": f"{URL}/v1/releases/{release_id}/object",
            "bytes": len(self.ciphertext),
            "sha256": hashlib.sha256(self.ciphertext).hexdigest(),
            "plaintext_bytes": len(self.plaintext),
            "plaintext_sha256": hashlib.sha256(self.plaintext).hexdigest(),
            "filename": self.filename,
            "context": CONTEXT.to_json(),
        }

    def _object(self, request: httpx2.Request) -> httpx2.Response:
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        return httpx2.Response(206 if match else 200, content=self.ciphertext[start:])

    def _outcome(self, name: str, body: dict[str, Any]) -> httpx2.Response:
        outcome = PrintOutcome.from_json(body["outcome"])
        signature = bytes.fromhex(body["signature"][2:])
        assert verify_printer_signature(digest(DOMAIN, outcome), *self.key_numbers, signature)
        assert outcome.print == print_id(self.licence.struct_hash(), int(name.removeprefix("job_")))
        report = PrintReport.from_json(body["report"])
        assert (report.print, report.result) == (outcome.print, outcome.result)
        self.outcomes[name] = body
        return self._say("outcome", {"state": "reported", "receipt": {"block_number": 8}})

    def _terms(self) -> dict[str, Any]:
        return {
            "manifest": self.manifest,
            "salt": "0x" + self.salt.hex(),
            "commitment": "0x" + self.commitment.hex(),
            "licence": self.licence.to_json(),
        }

    def _say(self, what: str, answer: dict[str, Any]) -> httpx2.Response:
        value = json.loads(json.dumps(answer))
        if what in self.lies:
            self.lies[what](value)
        return httpx2.Response(200, json=value)


def problem(
    status: int, slug: str, detail: str, reasons: list[dict[str, str]] | None = None
) -> httpx2.Response:
    """A problem document as the service sends it."""
    body: dict[str, Any] = {
        "type": f"urn:partvault:problem:{slug}",
        "title": slug,
        "status": status,
        "detail": detail,
    }
    if reasons is not None:
        body["reasons"] = reasons
    return httpx2.Response(status, json=body, headers={"Content-Type": "application/problem+json"})


def _domain() -> dict[str, Any]:
    return {"chain_id": DOMAIN.chain_id, "contract": DOMAIN.contract}
