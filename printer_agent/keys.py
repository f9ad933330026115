"""The printer's P-256 signing key: statements for the ledger, proofs for the service (FIPS 186-5)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_ALGORITHM = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)


class SigningKey:
    """A P-256 private key; its text form shows nothing of it.

    Signatures are deterministic (RFC 6979), so a statement signed again after a crash is the same byte for
    byte.
    """

    __slots__ = ("_private",)

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        if not isinstance(private.curve, ec.SECP256R1):
            raise ValueError(f"a printer's key lies on P-256, not on {private.curve.name}")
        self._private = private

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the system's randomness."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_bytes(cls, scalar: bytes) -> Self:
        """Take a key from its 32-byte big-endian scalar; ValueError where it is none."""
        if len(scalar) != 32:
            raise ValueError(f"a P-256 private key has 32 bytes, not {len(scalar)}")
        return cls(ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()))

    def reveal(self) -> bytes:
        """Give the 32-byte scalar, for the identity file alone."""
        return self._private.private_numbers().private_value.to_bytes(32, "big")

    @property
    def private(self) -> ec.EllipticCurvePrivateKey:
        """The key in the form the DPoP proofs need."""
        return self._private

    @property
    def x(self) -> bytes:
        """X of the public point, 32 bytes."""
        return self._private.public_key().public_numbers().x.to_bytes(32, "big")

    @property
    def y(self) -> bytes:
        """Y of the public point, 32 bytes."""
        return self._private.public_key().public_numbers().y.to_bytes(32, "big")

    def thumbprint(self) -> str:
        """Give the JWK thumbprint (RFC 7638, SHA-256, base64url), as the provider sees it."""
        members = {"crv": "P-256", "kty": "EC", "x": base64url(self.x), "y": base64url(self.y)}
        return base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest as it is; r ‖ s, 64 bytes, s in the lower half of the order."""
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, not {len(digest)}")
        r, s = decode_dss_signature(self._private.sign(digest, _ALGORITHM))
        return r.to_bytes(32, "big") + min(s, _ORDER - s).to_bytes(32, "big")

    def __repr__(self) -> str:
        return "SigningKey(***)"


def base64url(raw: bytes) -> str:
    """Encode without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
