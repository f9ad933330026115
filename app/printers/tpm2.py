"""Structures of a TPM 2.0 as bytes (TCG TPM 2.0 Library, part 2), as far as evidence about P-256 keys needs
them, and the challenge to an endorsement key (part 1, section 24). Pure: no device, no clock.

Every reader takes exactly the bytes it is given: anything short, left over or of another kind is
`Malformed`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256

from app.identifiers import Entropy

FIXED_TPM: Final = 1 << 1
FIXED_PARENT: Final = 1 << 4
SENSITIVE_DATA_ORIGIN: Final = 1 << 5
RESTRICTED: Final = 1 << 16
DECRYPT: Final = 1 << 17
SIGN: Final = 1 << 18
"""Bits of TPMA_OBJECT, part 2 section 8.3."""

_GENERATED, _CERTIFY = 0xFF544347, 0x8017
_ECC, _SHA256, _NULL, _P256 = 0x0023, 0x000B, 0x0010, 0x0003
_CLOCK_AND_FIRMWARE_BYTES = 17 + 8
_COORDINATE_BYTES = 32
_BLOCK_BYTES = 16


class Malformed(ValueError):  # noqa: N818 - it names what was found
    """Bytes that are not the structure they should be."""


class _Reader:
    """Reads big-endian values off bytes."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._raw):
            raise Malformed("it ends early")
        self._at += count
        return self._raw[self._at - count : self._at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def sized(self) -> bytes:
        """A TPM2B: 16-bit size, then the bytes."""
        return self.take(self.number(2))

    def end(self) -> None:
        if self._at != len(self._raw):
            raise Malformed(f"{len(self._raw) - self._at} bytes are left over")


@dataclass(frozen=True)
class PublicArea:
    """A TPMT_PUBLIC of a P-256 key with SHA-256 names; `raw` is what was read."""

    raw: bytes
    attributes: int
    x: bytes
    y: bytes

    @classmethod
    def read(cls, raw: bytes) -> PublicArea:
        """Read it (part 2, section 12.2.4); Malformed for another kind of key."""
        reader = _Reader(raw)
        if reader.number(2) != _ECC or reader.number(2) != _SHA256:
            raise Malformed("it is no elliptic curve key with a SHA-256 name")
        attributes = reader.number(4)
        reader.sized()  # authPolicy
        if reader.number(2) != _NULL:
            raise Malformed("it has a symmetric cipher, as storage keys do")
        if reader.number(2) != _NULL:
            reader.number(2)  # the hash of the scheme
        if reader.number(2) != _P256 or reader.number(2) != _NULL:
            raise Malformed("it is not on P-256, or has a derivation function")
        x, y = reader.sized(), reader.sized()
        reader.end()
        if len(x) > _COORDINATE_BYTES or len(y) > _COORDINATE_BYTES:
            raise Malformed("its point is too long")
        return cls(raw, attributes, x.rjust(_COORDINATE_BYTES, b"\0"), y.rjust(_COORDINATE_BYTES, b"\0"))

    def name(self) -> bytes:
        """Give the key's Name: algorithm ‖ SHA-256 of the public area (part 1, section 16)."""
        return _SHA256.to_bytes(2, "big") + hashlib.sha256(self.raw).digest()

    def has(self, *bits: int) -> bool:
        """Tell whether all these attributes are set."""
        return all(self.attributes & bit for bit in bits)


@dataclass(frozen=True)
class Certification:
    """A TPMS_ATTEST of TPM2_Certify: what was certified, over which extra data."""

    extra_data: bytes
    name: bytes

    @classmethod
    def read(cls, raw: bytes) -> Certification:
        """Read it (part 2, section 10.12.12); Malformed where it is no certification made by a TPM."""
        reader = _Reader(raw)
        if reader.number(4) != _GENERATED:
            raise Malformed("no TPM generated it")
        if reader.number(2) != _CERTIFY:
            raise Malformed("it attests something else than a key")
        reader.sized()  # qualifiedSigner
        extra_data = reader.sized()
        reader.take(_CLOCK_AND_FIRMWARE_BYTES)
        name = reader.sized()
        reader.sized()  # qualifiedName
        reader.end()
        return cls(extra_data, name)


def challenge(
    endorsement: rsa.RSAPublicKey, name: bytes, secret: bytes, entropy: Entropy
) -> tuple[bytes, bytes]:
    """Encrypt `secret` (32 bytes) so that only a TPM that holds both keys gives it out.

    `endorsement` is an RSA endorsement key of TCG's template (SHA-256, AES-128), `name` the attestation key's
    Name. Gives TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET (TPM2_MakeCredential, part 1 section 24).
    """
    seed = entropy(32)
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), b"IDENTITY\0")
    cipher_key = _derive(seed, b"STORAGE", name, 128)
    encrypted = _cfb(cipher_key, _sized(secret))
    mac = hmac.digest(_derive(seed, b"INTEGRITY", b"", 256), encrypted + name, "sha256")
    return _sized(_sized(mac) + encrypted), _sized(endorsement.encrypt(seed, oaep))


def _derive(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """KDFa with SHA-256, one block (part 1, section 11.4.10.2)."""
    message = (1).to_bytes(4, "big") + label + b"\0" + context + bits.to_bytes(4, "big")
    return hmac.digest(key, message, "sha256")[: bits // 8]


def _cfb(key: bytes, plain: bytes) -> bytes:
    """Encrypt with AES in full-block CFB from a zero vector (SP 800-38A, section 6.3); for a fresh key."""
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  # the block cipher of CFB
    previous, out = bytes(_BLOCK_BYTES), b""
    for at in range(0, len(plain), _BLOCK_BYTES):
        piece = plain[at : at + _BLOCK_BYTES]
        previous = bytes(a ^ b for a, b in zip(piece, block.update(previous), strict=False))
        out += previous
    return out


def _sized(raw: bytes) -> bytes:
    return len(raw).to_bytes(2, "big") + raw
