"""The printer's keys as the agent uses them, wherever they are held.

Every back end passes tests/conformance/printer_keys.py. A signing key signs digests as they are (FIPS 186-5,
ECDSA on P-256); a sealing key opens data keys (RFC 9180). What identity.json keeps of them is a *record*: of
keys in a file the keys themselves, of keys in a device where they are and their public halves.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

from printer_agent.errors import IdentityError
from storage.recipients import OpeningKey

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of P-256's base point (SP 800-186, section 3.2.1.3)."""

DIGEST_BYTES = 32
COORDINATE_BYTES = 32


class Signer(Protocol):
    """A P-256 signing key: statements for the ledger, proofs for the service."""

    @property
    def x(self) -> bytes:
        """X of the public point, 32 bytes."""
        ...

    @property
    def y(self) -> bytes:
        """Y of the public point, 32 bytes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest as it is; r ‖ s, 64 bytes, s in the lower half of the order.

        Keys in a file sign the same digest to the same bytes (RFC 6979); a device draws a fresh nonce each
        time. So nothing may depend on a repeat being equal: what must be sent again as it was, a claim and an
        outcome, the journal keeps with its first signature. Raises KeysUnavailable where the device fails.
        """
        ...


class Attestor(Protocol):
    """A device's word for the keys it holds."""

    def evidence(self, binding: bytes) -> dict[str, Any]:
        """Give the attestation of both keys over `binding` (32 bytes): JSON with a `format`."""
        ...

    def activate(self, blob: str, secret: str) -> str:
        """Open the challenge a service made to the device's endorsement key; give what was in it, in hex."""
        ...


class PrinterKeys(Protocol):
    """One printer's two keys; methods that reach for a device raise KeysUnavailable where it fails."""

    @property
    def uri(self) -> str:
        """Where the keys are, without secrets."""
        ...

    @property
    def signing(self) -> Signer:
        """The signing key."""
        ...

    @property
    def sealing(self) -> OpeningKey:
        """The sealing key."""
        ...

    def record(self) -> dict[str, Any]:
        """Give what `printer_agent.keys.read_keys` reads; secret where the keys are in the file."""
        ...

    def describe(self) -> str:
        """Say where they are, for people."""
        ...

    @property
    def attestor(self) -> Attestor | None:
        """What attests them, None where the back end attests nothing."""
        ...

    def destroy(self) -> None:
        """Make both keys unusable for ever where they are; a repeat is well."""
        ...


@dataclass(frozen=True)
class Point:
    """A public key on P-256: two coordinates of 32 bytes, big-endian."""

    x: bytes
    y: bytes

    def __post_init__(self) -> None:
        if len(self.x) != COORDINATE_BYTES or len(self.y) != COORDINATE_BYTES:
            raise ValueError(f"a point on P-256 has two coordinates of {COORDINATE_BYTES} bytes")

    @classmethod
    def decode(cls, encoded: bytes) -> Point:
        """Read an uncompressed point, 65 bytes (SEC 1, section 2.3.4)."""
        if len(encoded) != 1 + 2 * COORDINATE_BYTES or encoded[0] != 4:
            raise ValueError("that is no uncompressed point")
        return cls(encoded[1 : 1 + COORDINATE_BYTES], encoded[1 + COORDINATE_BYTES :])

    def encode(self) -> bytes:
        """Write the point uncompressed."""
        return b"\x04" + self.x + self.y


def thumbprint(key: Signer | Point) -> str:
    """Give the JWK thumbprint (RFC 7638, SHA-256, base64url), as the provider sees it."""
    members = {"crv": "P-256", "kty": "EC", "x": base64url(key.x), "y": base64url(key.y)}
    return base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def low_s(r: int, s: int) -> bytes:
    """Write a signature as r ‖ s with s in the lower half of the order, as the ledger's contract takes it."""
    return r.to_bytes(COORDINATE_BYTES, "big") + min(s, ORDER - s).to_bytes(COORDINATE_BYTES, "big")


def require_digest(digest: bytes) -> None:
    """ValueError where that is no 32-byte digest."""
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")


def base64url(raw: bytes) -> str:
    """Encode without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def require_device_suite(suite: str | None) -> None:
    """IdentityError where a suite is asked for that no device holds."""
    if suite not in (None, "P-256"):
        raise IdentityError(
            "wrong_suite",
            f"keys in a device are P-256, not {suite}",
            "leave --suite out, or use --keys file:",
        )
