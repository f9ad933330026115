"""What each client sends, written down before the clock starts: claims signed, and a DPoP proof for each."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.release.market import Machine, Redeemable
from ledger.typed_data import Domain, digest, sign_as_printer

PATH = "/v1/prints/redeem"
_ES256 = ec.ECDSA(hashes.SHA256())


def signed_claims(domain: Domain, machine: Machine, count: int) -> list[dict[str, str]]:
    """Take tokens from a printer and write down the requests that redeem them, but for the proofs."""
    taken, machine.tokens = machine.tokens[:count], machine.tokens[count:]
    return [_request(domain, machine, each) for each in taken]


def _request(domain: Domain, machine: Machine, redeemable: Redeemable) -> dict[str, str]:
    claim = redeemable.claim
    signature = sign_as_printer(machine.key, digest(domain, claim))
    return {
        "token": redeemable.token.reveal(),
        "key": secrets.token_hex(16),
        "body": json.dumps({"claim": claim.to_json(), "signature": "0x" + signature.hex()}),
    }


def prove(machine: Machine, requests: Sequence[dict[str, str]], url: str, made_at: int) -> None:
    """Give each request a fresh proof (RFC 9449) that says it was made at a time."""
    x, y = machine.coordinates()
    jwk = {"kty": "EC", "crv": "P-256", "x": _b64url(x), "y": _b64url(y)}
    head = _part({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})
    for request in requests:
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": "POST",
            "htu": url + PATH,
            "iat": made_at,
            "ath": _b64url(hashlib.sha256(request["token"].encode()).digest()),
        }
        message = f"{head}.{_part(claims)}"
        r, s = decode_dss_signature(machine.key.sign(message.encode(), _ES256))
        request["proof"] = f"{message}.{_b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def write(shares: Sequence[Sequence[dict[str, str]]], path: Path) -> None:
    """Write each client's share as the load generator reads it."""
    path.write_text(json.dumps(list(shares)), encoding="utf-8")


def _part(value: Any) -> str:
    return _b64url(json.dumps(value, separators=(",", ":")).encode())


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
