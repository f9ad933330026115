"""DPoP proofs (RFC 9449) of printers: ES256 only, by the key of the enrolment and no other."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from app.errors import InvalidProof, NonceWanted, Unproven

ALGORITHM = "ES256"
TYPE = "dpop+jwt"
PROOF_BYTES_MAX = 4096
JTI_CHARS_MIN, JTI_CHARS_MAX = 8, 128
_COMPACT = re.compile(r"([0-9A-Za-z_-]+)\.([0-9A-Za-z_-]+)\.([0-9A-Za-z_-]+)")
_COORDINATE = 32
_ES256 = ec.ECDSA(SHA256())


@dataclass(frozen=True)
class PublicKey:
    """A P-256 point, 32 bytes each."""

    x: bytes
    y: bytes

    def load(self) -> ec.EllipticCurvePublicKey:
        """Give the key; ValueError where the point is not on the curve."""
        return _load(self.x, self.y)

    def jwk(self) -> dict[str, str]:
        """Give the key as JWK members."""
        return {"crv": "P-256", "kty": "EC", "x": _b64url(self.x), "y": _b64url(self.y)}

    def thumbprint(self) -> str:
        """Give the RFC 7638 SHA-256 thumbprint."""
        jwk = self.jwk()
        text = "{" + ",".join(f'"{name}":"{jwk[name]}"' for name in sorted(jwk)) + "}"
        return _b64url(hashlib.sha256(text.encode()).digest())


@lru_cache(maxsize=1024)
def _load(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    return numbers.public_key()


@dataclass(frozen=True)
class Proof:
    """A proof that holds; `jti` must still be new. After `good_until` the proof would not hold any more."""

    jti: str
    good_until: int


def unproven() -> Unproven:
    """The one answer for an unknown token, a foreign key and a bad signature, so that none tells which."""
    return Unproven(
        "the token or printer is unknown, or the proof is not signed by its enrolled key",
        remedy="send Authorization: DPoP <token> and a fresh proof signed with the enrolled key",
    )


def verify(
    proof: str,
    *,
    key: PublicKey,
    method: str,
    url: str,
    access_token: str,
    now: int,
    window_s: int,
    nonce_until: Callable[[str], int | None],
) -> Proof:
    """Verify a proof against the enrolled key.

    1. It is a compact JWT of bounded size with `typ` dpop+jwt and `alg` ES256.
    2. Its `jwk` is a public key and is the enrolled one; the enrolled one verifies the signature.
    3. `htm` and `htu` are this request's; `ath` is the token's digest.
    4. `jti` is there; `nonce` is a good one, or, in a proof without, `iat` lies within `window_s` of `now`.

    `nonce_until` gives the last second at which a nonce is good, None where it is not. The caller still owes
    that `jti` is new (auth/replay.py). Raises InvalidProof, and NonceWanted where a proof with a fresh nonce
    would do; until the signature holds, every fault gets the same answer.
    """
    # (1) the token's form
    token = _Compact.read(proof)
    if token.header.get("typ") != TYPE or token.header.get("alg") != ALGORITHM or "crit" in token.header:
        raise unproven()
    # (2) the key
    if not _is_enrolled(token.header.get("jwk"), key) or not token.signed_by(key):
        raise unproven()
    claims = token.claims()
    # (3) the request
    _require_claim(claims, "htm", method)
    if _without_query(_text(claims, "htu")) != _without_query(url):
        raise InvalidProof("the proof is for another URL (htu)", field="DPoP", remedy=f"sign htu {url}")
    _require_claim(claims, "ath", _b64url(hashlib.sha256(access_token.encode()).digest()))
    # (4) once, and now
    return Proof(_identifier(claims), _until(claims, now, window_s, nonce_until))


@dataclass(frozen=True)
class _Compact:
    """A JWS in compact serialisation (RFC 7515, section 3.1); whatever is wrong with it is `Unproven`."""

    header: Mapping[str, Any]
    payload: str
    signed: bytes
    signature: bytes

    @classmethod
    def read(cls, text: str) -> _Compact:
        """Take it apart; nothing of it is verified."""
        found = _COMPACT.fullmatch(text) if len(text) <= PROOF_BYTES_MAX else None
        if found is None:
            raise unproven()
        head, payload, signature = found.groups()
        return cls(_members(head), payload, text[: found.end(2)].encode(), _decoded(signature))

    def signed_by(self, key: PublicKey) -> bool:
        """Tell whether a key made the signature: ES256, 64 bytes r ‖ s (RFC 7518, section 3.4)."""
        if len(self.signature) != 2 * _COORDINATE:
            return False
        r, s = (int.from_bytes(half, "big") for half in (self.signature[:32], self.signature[32:]))
        try:
            key.load().verify(encode_dss_signature(r, s), self.signed, _ES256)
        except (InvalidSignature, ValueError):
            return False
        return True

    def claims(self) -> Mapping[str, Any]:
        """Give the claims, to be read once the signature is verified."""
        return _members(self.payload)


def _members(part: str) -> Mapping[str, Any]:
    try:
        found = json.loads(_decoded(part))
    except (ValueError, RecursionError):
        raise unproven() from None
    if not isinstance(found, dict):
        raise unproven()
    return found


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise unproven() from None


def _identifier(claims: Mapping[str, Any]) -> str:
    jti = _text(claims, "jti")
    if not JTI_CHARS_MIN <= len(jti) <= JTI_CHARS_MAX:
        raise InvalidProof(
            f"the proof's jti must have {JTI_CHARS_MIN} to {JTI_CHARS_MAX} characters", field="DPoP"
        )
    return jti


def _until(
    claims: Mapping[str, Any], now: int, window_s: int, nonce_until: Callable[[str], int | None]
) -> int:
    """(4) a nonce says when a proof was made, whatever the machine's clock says; without, the clock does."""
    remedy = (
        "sign a fresh proof with the nonce of this answer's DPoP-Nonce header, and set the machine's clock"
    )
    issued_at = claims.get("iat")
    if type(issued_at) is not int:
        raise InvalidProof("the proof's iat is no whole number of seconds", field="DPoP", remedy=remedy)
    if "nonce" in claims:
        until = nonce_until(_text(claims, "nonce"))
        if until is None:
            raise NonceWanted(
                "the proof's nonce is not a live one of its printer", field="DPoP", remedy=remedy
            )
        return until
    if abs(now - issued_at) > window_s:
        raise NonceWanted(
            f"the proof's iat is more than {window_s} s from the service's clock, which says {now}",
            field="DPoP",
            remedy=remedy,
        )
    return issued_at + window_s


def _is_enrolled(jwk: Any, key: PublicKey) -> bool:
    if not isinstance(jwk, Mapping) or "d" in jwk:
        return False
    expected = key.jwk()
    given = {name: jwk.get(name) for name in expected}
    return all(
        isinstance(value, str) and hmac.compare_digest(value.encode(), expected[name].encode())
        for name, value in given.items()
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise InvalidProof(
            f"the proof lacks {name}", field="DPoP", remedy="sign a proof with every RFC 9449 claim"
        )
    return value


def _require_claim(claims: Mapping[str, Any], name: str, expected: str) -> None:
    if not hmac.compare_digest(_text(claims, name).encode(), expected.encode()):
        raise InvalidProof(
            f"the proof's {name} is not this request's",
            field="DPoP",
            remedy="sign a fresh proof for this request",
        )


def _without_query(url: str) -> str:
    """Normalise as RFC 9449 section 4.3 asks: no query, no fragment, scheme and host in lower case, no
    default port.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = (parts.hostname or "") + (f":{port}" if port and port != default else "")
    return urlunsplit((parts.scheme, host, parts.path or "/", "", ""))


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
