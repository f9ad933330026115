"""DPoP proofs and JWK thumbprints from the RFCs alone: compact JWS, ES256 and digests by hand.

It shares no code with the service, the agent or the JWT library they use.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).decode().replace("=", "")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_hash(access_token: str) -> str:
    """`ath` (RFC 9449, section 4.2)."""
    return encode(hashlib.sha256(access_token.encode("ascii")).digest())


def jwk_of(private: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    point = private.public_key().public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": encode(point.x.to_bytes(32, "big")),
        "y": encode(point.y.to_bytes(32, "big")),
    }


def thumbprint(jwk: dict[str, str]) -> str:
    """RFC 7638, section 3: the required members only, in lexicographic order, no white space."""
    return encode(
        hashlib.sha256(
            f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'.encode()
        ).digest()
    )


@dataclass
class ProofText:
    """A proof in the making: header and claims as they are written, then signed or left alone."""

    header: dict[str, Any]
    claims: dict[str, Any] = field(default_factory=dict)

    def signing_input(self) -> bytes:
        parts = (json.dumps(part).encode() for part in (self.header, self.claims))
        return ".".join(encode(part) for part in parts).encode()

    def signed(self, private: ec.EllipticCurvePrivateKey) -> str:
        """ES256 (RFC 7518, section 3.4): r ‖ s, 32 bytes each."""
        data = self.signing_input()
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(hashes.SHA256())))
        return f"{data.decode()}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def unsigned(self) -> str:
        """`alg: none` (RFC 7515, appendix A.5)."""
        return f"{self.signing_input().decode()}."


def opened(proof: str) -> ProofText:
    """Verify a proof's signature by the key in its own header and give its parts; raises where it fails."""
    head, body, signature = proof.split(".")
    text = ProofText(json.loads(decode(head)), json.loads(decode(body)))
    x, y = (int.from_bytes(decode(text.header["jwk"][axis]), "big") for axis in "xy")
    raw = decode(signature)
    assert len(raw) == 64
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    return text
