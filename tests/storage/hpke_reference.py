"""HPKE base mode opened and sealed by hand (RFC 9180 sections 4 and 5.1), to judge `storage.recipients`.

It shares only the primitives (X25519, P-256, ML-KEM, AES-GCM) with the code under test.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ENC_BYTES = {"X25519": 32, "P-256": 65, "MLKEM768-X25519": 1120}
KEM_IDS = {"X25519": 0x0020, "P-256": 0x0010, "MLKEM768-X25519": 0x647A}
HKDF_SHA256, AES_256_GCM = 1, 2


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    assert length <= 32
    return hmac.digest(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\1", "sha256")[
        :length
    ]


def _dhkem(kem: int, dh: bytes, enc: bytes, public: bytes) -> bytes:
    suite = b"KEM" + kem.to_bytes(2, "big")
    return _expand(suite, _extract(suite, b"", b"eae_prk", dh), b"shared_secret", enc + public, 32)


def shared_secret(suite: str, private: bytes, enc: bytes) -> bytes:
    """Decapsulate: section 4.1 for the DH KEMs, SHA3-256 over both secrets for the hybrid."""
    if suite == "X25519":
        key = x25519.X25519PrivateKey.from_private_bytes(private)
        dh = key.exchange(x25519.X25519PublicKey.from_public_bytes(enc))
        return _dhkem(KEM_IDS[suite], dh, enc, key.public_key().public_bytes_raw())
    if suite == "P-256":
        scalar = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        dh = scalar.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), enc))
        public = scalar.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _dhkem(KEM_IDS[suite], dh, enc, public)
    full = hashlib.shake_256(private).digest(96)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(full[:64]).decapsulate(enc[:1088])
    curve = x25519.X25519PrivateKey.from_private_bytes(full[64:])
    dh = curve.exchange(x25519.X25519PublicKey.from_public_bytes(enc[1088:]))
    mixed = lattice + dh + enc[1088:] + curve.public_key().public_bytes_raw() + b"\\.//^\\"
    return hashlib.sha3_256(mixed).digest()


def encapsulate(public: bytes, ephemeral: bytes) -> tuple[bytes, bytes]:
    """DHKEM(P-256) to a public key with a given ephemeral scalar (section 4.1): shared secret and enc."""
    scalar = ec.derive_private_key(int.from_bytes(ephemeral, "big"), ec.SECP256R1())
    dh = scalar.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public))
    enc = scalar.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return _dhkem(KEM_IDS["P-256"], dh, enc, public), enc


def key_schedule(kem: int, aead: int, key_bytes: int, secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Key and base nonce of base mode (section 5.1)."""
    name = b"HPKE" + b"".join(item.to_bytes(2, "big") for item in (kem, HKDF_SHA256, aead))
    context = b"\0" + _extract(name, b"", b"psk_id_hash", b"") + _extract(name, b"", b"info_hash", info)
    prk = _extract(name, secret, b"secret", b"")
    return _expand(name, prk, b"key", context, key_bytes), _expand(name, prk, b"base_nonce", context, 12)


def seal_base(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seal to a P-256 key with a fresh ephemeral one: enc ‖ ciphertext, AES-256-GCM."""
    ephemeral = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")
    secret, enc = encapsulate(public, ephemeral)
    key, nonce = key_schedule(KEM_IDS["P-256"], AES_256_GCM, 32, secret, info)
    return enc + AESGCM(key).encrypt(nonce, plaintext, b"")


def open_base(suite: str, private: bytes, blob: bytes, info: bytes) -> bytes:
    """Open enc ‖ ciphertext with an empty AAD and sequence number 0."""
    enc, sealed = blob[: ENC_BYTES[suite]], blob[ENC_BYTES[suite] :]
    key, nonce = key_schedule(KEM_IDS[suite], AES_256_GCM, 32, shared_secret(suite, private, enc), info)
    return AESGCM(key).decrypt(nonce, sealed, b"")
