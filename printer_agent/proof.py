"""DPoP proofs (RFC 9449): each request proves the enrolled key, its method, its URL and the token it uses."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import jwt

from printer_agent.keys import SigningKey, base64url


def make_proof(
    key: SigningKey,
    method: str,
    url: str,
    access_token: str,
    *,
    clock: Callable[[], float],
    nonce: str | None = None,
) -> str:
    """Make one proof (ES256, section 4.2) with a fresh `jti`; never use it twice.

    `ath` binds it to `access_token`, `htu` to the URL without query and fragment.
    """
    parts = urlsplit(url)
    claims = {
        "jti": secrets.token_urlsafe(16),
        "htm": method.upper(),
        "htu": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        "iat": int(clock()),
        "ath": base64url(hashlib.sha256(access_token.encode()).digest()),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return jwt.encode(
        claims, key.private, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": public_jwk(key)}
    )


def public_jwk(key: SigningKey) -> dict[str, str]:
    """Give the public key as a JWK (RFC 7517)."""
    return {"kty": "EC", "crv": "P-256", "x": base64url(key.x), "y": base64url(key.y)}
