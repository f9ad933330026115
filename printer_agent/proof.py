"""DPoP proofs (RFC 9449): each request proves the enrolled key, its method, its URL and the token it uses.

The proof is put together here as a compact JWS (RFC 7515, section 3.1), because a key in a device signs
digests only, which no JWT library asks for.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from printer_agent.keys import Signer, base64url


def make_proof(
    key: Signer,
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
    return _compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(key)}, claims, key)


def public_jwk(key: Signer) -> dict[str, str]:
    """Give the public key as a JWK (RFC 7517)."""
    return {"kty": "EC", "crv": "P-256", "x": base64url(key.x), "y": base64url(key.y)}


def _compact(header: Mapping[str, Any], claims: Mapping[str, Any], key: Signer) -> str:
    """Sign with ES256 (RFC 7518, section 3.4): ECDSA over the SHA-256 of header and claims, r ‖ s."""
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, claims))
    signed = ".".join(base64url(part) for part in parts)
    return f"{signed}.{base64url(key.sign(hashlib.sha256(signed.encode()).digest()))}"
