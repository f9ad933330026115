"""Data keys sealed to one recipient by HPKE base mode, RFC 9180 section 6.1 (docs/formats/sealed-key.md).

Three suites, each with HKDF-SHA256 and AES-256-GCM: `MLKEM768-X25519` (KEM 0x647a of draft-ietf-hpke-pq, the
default: a recording made today stays closed to a later quantum computer), `X25519` (0x0020) and `P-256`
(0x0010). HKDF keeps RFC 9180's key schedule for all three; the draft's SHAKE KDFs belong to its successor.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from storage.errors import RecipientInvalid, SealInvalid
from storage.secret import KEY_BYTES, DataKey, wipe

DEFAULT_SUITE = "MLKEM768-X25519"
SEED_BYTES = 32
"""Length of every suite's private key as stored: a seed, or a scalar."""

_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_SEED_BYTES = 64
_TAG_BYTES = 16
_P256_FIELD_BYTES = 32
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_Private = x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey | MLKEM768X25519PrivateKey
_Public = x25519.X25519PublicKey | ec.EllipticCurvePublicKey | MLKEM768X25519PublicKey


@dataclass(frozen=True)
class _Kind:
    """One suite: lengths in bytes, and how its keys are read."""

    suite: Suite
    public_bytes: int
    enc_bytes: int
    load_private: Callable[[bytes], tuple[_Private, bytes]]
    load_public: Callable[[bytes], _Public]


def _hybrid_private(seed: bytes) -> tuple[_Private, bytes]:
    """Expand the seed as draft-irtf-cfrg-concrete-hybrid-kems does: SHAKE256 to ML-KEM seed ‖ scalar."""
    full = hashlib.shake_256(seed).digest(_MLKEM_SEED_BYTES + SEED_BYTES)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(full[:_MLKEM_SEED_BYTES])
    curve = x25519.X25519PrivateKey.from_private_bytes(full[_MLKEM_SEED_BYTES:])
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(lattice, curve), public


@lru_cache(maxsize=1024)
def _hybrid_public(public: bytes) -> _Public:
    return MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_BYTES]),
        x25519.X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_BYTES:]),
    )


def _x25519_private(scalar: bytes) -> tuple[_Private, bytes]:
    private = x25519.X25519PrivateKey.from_private_bytes(scalar)
    return private, private.public_key().public_bytes_raw()


def _p256_private(scalar: bytes) -> tuple[_Private, bytes]:
    private = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1())
    return private, private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _p256_public(public: bytes) -> _Public:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)


def _suite(kem: KEM) -> Suite:
    return Suite(kem, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


_KINDS = {
    DEFAULT_SUITE: _Kind(_suite(KEM.MLKEM768_X25519), 1216, 1120, _hybrid_private, _hybrid_public),
    "X25519": _Kind(_suite(KEM.X25519), 32, 32, _x25519_private, x25519.X25519PublicKey.from_public_bytes),
    "P-256": _Kind(_suite(KEM.P256), 65, 65, _p256_private, _p256_public),
}
SUITES = tuple(_KINDS)
"""Names of the suites, the default first."""


class OpeningKey(Protocol):
    """A recipient's private key, wherever it is held.

    suite: name of its suite; public: the key to seal to, as the suite encodes it
    """

    @property
    def suite(self) -> str: ...  # noqa: D102  # said above

    @property
    def public(self) -> bytes: ...  # noqa: D102  # said above

    def open(self, blob: bytes, info: bytes) -> DataKey:
        """Open a data key sealed to this recipient and `info`; see `open_sealed`."""
        ...


class SealingKey:
    """A recipient's private key: 32 secret bytes and the suite they belong to.

    `to_bytes` and `from_bytes` carry the seed (hybrid) or scalar (X25519, P-256 big-endian); the caller
    stores it owner-only. Raises `RecipientInvalid` for an unknown suite or a value that is no key.
    """

    __slots__ = ("_private", "_seed", "public", "suite")

    def __init__(self, suite: str, seed: bytes | bytearray | memoryview) -> None:
        kind = _kind(suite)
        if len(seed) != SEED_BYTES:
            raise RecipientInvalid(f"a private key of {suite} has {SEED_BYTES} bytes, not {len(seed)}")
        try:
            self._private, self.public = kind.load_private(bytes(seed))
        except ValueError:
            raise RecipientInvalid(f"these bytes are no private key of {suite}; generate a new one") from None
        self._seed = bytearray(seed)
        self.suite = suite

    @classmethod
    def generate(cls, suite: str = DEFAULT_SUITE) -> SealingKey:
        """Make a fresh key."""
        if suite == "P-256":
            return cls(suite, (secrets.randbelow(_P256_ORDER - 1) + 1).to_bytes(SEED_BYTES, "big"))
        return cls(suite, secrets.token_bytes(SEED_BYTES))

    @classmethod
    def from_bytes(cls, suite: str, seed: bytes | bytearray | memoryview) -> SealingKey:
        """Read what `to_bytes` returned."""
        return cls(suite, seed)

    def to_bytes(self) -> bytes:
        """Return the 32 secret bytes."""
        return bytes(self._seed)

    def open(self, blob: bytes, info: bytes) -> DataKey:
        """Open a data key sealed to this recipient and `info`; see `open_sealed`."""
        return _open(self.suite, self._private, blob, info)

    def wipe(self) -> None:
        """Overwrite this copy of the secret bytes; the parsed key is the cipher library's to free."""
        wipe(self._seed)

    def __repr__(self) -> str:
        return f"SealingKey({self.suite}, ***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealing key is never pickled; store to_bytes() owner-only")


Exchange = Callable[[bytes], bytes]
"""ECDH by the holder of a P-256 private key: takes a point on the curve (65 bytes, uncompressed) and gives X
of the shared point (32 bytes), as CKM_ECDH1_DERIVE and TPM2_ECDH_ZGen do."""


class DeviceSealingKey:
    """A recipient's P-256 private key that stays in a device; what `exchange` raises comes through.

    DHKEM(P-256) needs the key for the Diffie-Hellman value alone (RFC 9180 section 4.1); everything after it
    happens here. Raises `RecipientInvalid` where `public` is no uncompressed point.
    """

    __slots__ = ("_exchange", "public")

    suite = "P-256"

    def __init__(self, public: bytes, exchange: Exchange) -> None:
        self.public = validate_public(self.suite, public)
        self._exchange = exchange

    def open(self, blob: bytes, info: bytes) -> DataKey:
        """Open a data key sealed to this recipient and `info`; see `open_sealed`."""
        private = _DevicePrivate(self.public, self._exchange)
        try:
            return _open(self.suite, private, blob, info)
        except SealInvalid:
            if private.failure is not None:
                raise private.failure from None
            raise

    def __repr__(self) -> str:
        return f"DeviceSealingKey({self.suite}, {self.public.hex()[2:18]}…)"


class _DevicePrivate(ec.EllipticCurvePrivateKey):
    """What the cipher library asks of a private key to decapsulate: the exchange and the public key."""

    def __init__(self, public: bytes, exchange: Exchange) -> None:
        self._public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        self._exchange = exchange
        self.failure: Exception | None = None

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Have the device compute the shared X; the library has checked that the peer is on the curve.

        The library takes every exception for a key that does not open, so `failure` keeps it.
        """
        del algorithm
        point = peer_public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        try:
            shared = self._exchange(point)
        except Exception as error:
            self.failure = error
            raise
        if len(shared) != _P256_FIELD_BYTES:
            self.failure = RecipientInvalid(f"the device gave {len(shared)} bytes of a shared point, not 32")
        return shared

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Give the public key, which RFC 9180 mixes into the shared secret."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """256 bits."""
        return self._public.key_size

    def _kept(self, *_: object, **__: object) -> NoReturn:
        """A device gives no private key away, and a sealing key signs nothing."""
        raise TypeError("this private key stays in its device, and opens sealed keys only")

    sign = private_numbers = private_bytes = __copy__ = __deepcopy__ = _kept


def validate_public(suite: str, public: bytes) -> bytes:
    """Return `public` if a key can be sealed to it; raises `RecipientInvalid`.

    Checks the length, the encoding, and by a trial seal what shows only in use (X25519 points of low order).
    """
    _seal(suite, bytes(KEY_BYTES), public, b"")
    return public


def sealed_bytes(suite: str) -> int:
    """Return the length of every key sealed by a suite; `RecipientInvalid` for an unknown one."""
    return _kind(suite).enc_bytes + KEY_BYTES + _TAG_BYTES


def seal(data_key: DataKey, suite: str, public: bytes, info: bytes) -> bytes:
    """Return enc ‖ ciphertext of the data key for the holder of `public`, bound to `info`.

    Raises `RecipientInvalid` for an unknown suite or a public key that is none.
    """
    return _seal(suite, data_key.view(), public, info)


def open_sealed(blob: bytes, private: OpeningKey, info: bytes) -> DataKey:
    """Open what `seal` made for this recipient and `info`; raises `SealInvalid`. The caller wipes the key."""
    return private.open(blob, info)


def _open(suite: str, private: _Private, blob: bytes, info: bytes) -> DataKey:
    if len(blob) != sealed_bytes(suite):
        raise SealInvalid(f"a key sealed for {suite} has another length than {len(blob)} bytes")
    try:
        return DataKey(_kind(suite).suite.decrypt(blob, private, info))
    except (InvalidTag, ValueError):
        raise SealInvalid("the sealed key is for another recipient or release, or was altered") from None


def _seal(suite: str, plaintext: bytes | memoryview, public: bytes, info: bytes) -> bytes:
    kind = _kind(suite)
    if len(public) != kind.public_bytes:
        raise RecipientInvalid(f"a public key of {suite} has {kind.public_bytes} bytes, not {len(public)}")
    try:
        return kind.suite.encrypt(plaintext, kind.load_public(public), info)
    except ValueError:
        raise RecipientInvalid(f"these bytes are no usable public key of {suite}; send another") from None


def _kind(suite: str) -> _Kind:
    if suite not in _KINDS:
        raise RecipientInvalid(f"sealing suite {suite!r} is unknown; use one of {', '.join(SUITES)}")
    return _KINDS[suite]
