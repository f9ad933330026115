"""Keys in identity.json itself, mode 0600: the default, and the only back end with the post-quantum suite."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from printer_agent.keys.base import COORDINATE_BYTES, low_s, require_digest
from storage.recipients import DEFAULT_SUITE, SealingKey

SCHEME = "file"
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
        if len(scalar) != COORDINATE_BYTES:
            raise ValueError(f"a P-256 private key has 32 bytes, not {len(scalar)}")
        return cls(ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()))

    def reveal(self) -> bytes:
        """Give the 32-byte scalar, for the identity file alone."""
        return self._private.private_numbers().private_value.to_bytes(COORDINATE_BYTES, "big")

    @property
    def x(self) -> bytes:
        """X of the public point, 32 bytes."""
        return self._private.public_key().public_numbers().x.to_bytes(COORDINATE_BYTES, "big")

    @property
    def y(self) -> bytes:
        """Y of the public point, 32 bytes."""
        return self._private.public_key().public_numbers().y.to_bytes(COORDINATE_BYTES, "big")

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest as it is; r ‖ s, 64 bytes, s in the lower half of the order."""
        require_digest(digest)
        return low_s(*decode_dss_signature(self._private.sign(digest, _ALGORITHM)))

    def __repr__(self) -> str:
        return "SigningKey(***)"


class FileKeys:
    """Both keys in this process's memory; see `PrinterKeys`."""

    uri = f"{SCHEME}:"
    attestor = None

    def __init__(self, signing: SigningKey, sealing: SealingKey) -> None:
        self.signing = signing
        self.sealing = sealing

    @classmethod
    def generate(cls, suite: str | None = None) -> Self:
        """Make both keys; `suite` is one of `storage.recipients`."""
        return cls(SigningKey.generate(), SealingKey.generate(suite or DEFAULT_SUITE))

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        """Read what `record` gave; ValueError, KeyError or RecipientInvalid where it is damaged."""
        sealing = record["sealing"]
        return cls(
            SigningKey.from_bytes(base64.b64decode(record["signing"], validate=True)),
            SealingKey.from_bytes(sealing["suite"], base64.b64decode(sealing["private"], validate=True)),
        )

    def record(self) -> dict[str, Any]:
        """Give the private keys, for a file of mode 0600."""
        return {
            "scheme": SCHEME,
            "signing": base64.b64encode(self.signing.reveal()).decode(),
            "sealing": {
                "suite": self.sealing.suite,
                "private": base64.b64encode(self.sealing.to_bytes()).decode(),
            },
        }

    def describe(self) -> str:
        """Say where they are."""
        return f"keys in the identity file, {self.sealing.suite}, not attested"

    def destroy(self) -> None:
        """Wipe this copy; the file's is gone when the identity is written without it."""
        self.sealing.wipe()

    def __repr__(self) -> str:
        return f"FileKeys({self.sealing.suite}, ***)"
