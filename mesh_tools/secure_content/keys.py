"""RSA keys of consumers and P-256 keys of signers, held to what is accepted; secret ones never show."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Final, NoReturn, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from mesh_tools.errors import Refused
from mesh_tools.secure_content.algorithms import WRITTEN_HASH

RSA_BITS_MIN: Final = 2048
RSA_BITS_MAX: Final = 8192
CONTENT_KEY_BYTES: Final = 32
_COORDINATE_BYTES: Final = 32
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
_ECDSA = ec.ECDSA(hashes.SHA256())
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class _Secret:
    """What must not be printed, pickled or compared by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is never pickled")


class ContentKey(_Secret):
    """The AES-256 key (CEK) of a resource data group."""

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        """Take 32 bytes; Refused(package.key) for any other number."""
        if len(value) != CONTENT_KEY_BYTES:
            raise Refused("package.key", f"The unwrapped key has {len(value)} bytes instead of 32.")
        self._bytes = value

    @classmethod
    def generate(cls) -> Self:
        """Return a fresh key from the operating system's generator."""
        return cls(secrets.token_bytes(CONTENT_KEY_BYTES))

    def reveal(self) -> bytes:
        """Return the bytes, for handing to a cipher."""
        return self._bytes


@dataclass(frozen=True, slots=True)
class ConsumerPublicKey:
    """The RSA key that a content key is wrapped for."""

    key: rsa.RSAPublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a SubjectPublicKeyInfo (RFC 7468 section 13); Refused(package.key) where it is none of RSA."""
        key = _public(pem)
        if not isinstance(key, rsa.RSAPublicKey):
            raise Refused("package.key", "The consumer's key is not an RSA key.")
        _check_strength(key)
        return cls(key)

    @property
    def pem(self) -> str:
        """The key as RFC 7468 text."""
        return self.key.public_bytes(serialization.Encoding.PEM, _SPKI).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's DER, in hexadecimal."""
        return hashlib.sha256(self.key.public_bytes(serialization.Encoding.DER, _SPKI)).hexdigest()

    def wrap(self, key: ContentKey) -> bytes:
        """Wrap `key` by RSA-OAEP with SHA-256."""
        return self.key.encrypt(key.reveal(), _oaep(WRITTEN_HASH))


class ConsumerKey(_Secret):
    """A consumer's private RSA key."""

    __slots__ = ("_key", "public")

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        _check_strength(key.public_key())
        self._key = key
        self.public = ConsumerPublicKey(key.public_key())

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Read a PEM private key; Refused(package.key) where it is none of RSA or does not open."""
        key = _private(pem, password)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise Refused("package.key", "The private key is not an RSA key.")
        return cls(key)

    def unwrap(self, wrapped: bytes, hash_name: str) -> ContentKey:
        """Unwrap by RSA-OAEP; Refused(package.key) where it was wrapped for another key or altered."""
        if len(wrapped) != (self._key.key_size + 7) // 8:
            raise Refused("package.key", f"A wrapped key has {len(wrapped)} bytes, not as many as the key.")
        try:
            value = self._key.decrypt(wrapped, _oaep(hash_name))
        except ValueError:
            raise Refused("package.key", "The content key does not open with this private key.") from None
        return ContentKey(value)


@dataclass(frozen=True, slots=True)
class TrustedSigner:
    """A P-256 key whose statements the caller believes."""

    key: ec.EllipticCurvePublicKey

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a SubjectPublicKeyInfo; Refused(package.key) where it is none of P-256."""
        key = _public(pem)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Refused("package.key", "The signer's key is not a P-256 key.")
        return cls(key)

    @property
    def thumbprint(self) -> str:
        """The key's JWK thumbprint (RFC 7638), base64url."""
        numbers = self.key.public_numbers()
        jwk = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
        text = json.dumps(jwk, separators=(",", ":"))
        return _base64url(hashlib.sha256(text.encode()).digest())

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (r ‖ s, 64 bytes; RFC 7518 section 3.4) is this key's over `message`."""
        if len(signature) != 2 * _COORDINATE_BYTES:
            return False
        r, s = (int.from_bytes(signature[at : at + _COORDINATE_BYTES]) for at in (0, _COORDINATE_BYTES))
        try:
            self.key.verify(encode_dss_signature(r, s), message, _ECDSA)
        except InvalidSignature:
            return False
        return True


class SigningKey(_Secret):
    """A signer's private P-256 key."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = TrustedSigner(key.public_key())

    @classmethod
    def from_pem(cls, pem: bytes, password: bytes | None = None) -> Self:
        """Read a PEM private key; Refused(package.key) where it is none of P-256 or does not open."""
        key = _private(pem, password)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Refused("package.key", "The signing key is not a P-256 key.")
        return cls(key)

    def sign(self, message: bytes) -> bytes:
        """Return r ‖ s over SHA-256 of `message`, 64 bytes."""
        r, s = decode_dss_signature(self._key.sign(message, _ECDSA))
        return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)


def _oaep(name: str) -> padding.OAEP:
    """RSAES-OAEP with one hash for message and mask, and no label."""
    digest = _HASHES[name]
    return padding.OAEP(mgf=padding.MGF1(digest()), algorithm=digest(), label=None)


def _public(pem: bytes) -> object:
    try:
        return serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("package.key", "This is no public key in PEM form.") from None


def _private(pem: bytes, password: bytes | None) -> object:
    try:
        return serialization.load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refused(
            "package.key", "This is no private key in PEM form, or its password is wrong."
        ) from None


def _check_strength(key: rsa.RSAPublicKey) -> None:
    if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        message = f"The RSA key has {key.key_size} bits; {RSA_BITS_MIN} to {RSA_BITS_MAX} are accepted."
        raise Refused("package.key", message)


def _coordinate(value: int) -> str:
    return _base64url(value.to_bytes(_COORDINATE_BYTES))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
