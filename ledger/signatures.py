"""Signatures over EIP-712 digests: accounts' on secp256k1, printers' on P-256.

Each is accepted in one spelling only, `s` in the lower half of the order as the contract demands (EIP-2), so
nobody can turn a signature into a second valid one. Reached through `ledger.typed_data`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import coincurve
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from ledger.address import address_of_key
from ledger.errors import SignatureError

_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_PREHASHED: Final = ec.ECDSA(Prehashed(hashes.SHA256()))


def recover_signer(digest: bytes, signature: bytes) -> str:
    """Return the EIP-55 address whose key made a 65-byte signature r ‖ s ‖ v over a 32-byte digest.

    Any well-formed signature recovers to some address: the caller compares it with the one it expects. Raises
    SignatureError for wrong lengths, v other than 27 or 28, s in the upper half, or r and s that no key can
    have made.
    """
    if len(digest) != 32:
        raise SignatureError(f"a digest is 32 bytes, this one {len(digest)}")
    if len(signature) != 65:
        raise SignatureError(f"an account's signature is 65 bytes (r, s, v), this one {len(signature)}")
    r, s, v = (
        int.from_bytes(signature[:32], "big"),
        int.from_bytes(signature[32:64], "big"),
        signature[64],
    )
    if v not in (27, 28):
        raise SignatureError(f"v is {v}, must be 27 or 28")
    if not 0 < r < _SECP256K1_ORDER or not 0 < s <= _SECP256K1_ORDER // 2:
        raise SignatureError("r is out of range, or s is not in the lower half of the order (EIP-2)")
    try:
        key = coincurve.PublicKey.from_signature_and_message(
            signature[:64] + bytes([v - 27]), digest, hasher=None
        )
    except Exception as error:  # coincurve raises no narrower one
        raise SignatureError("no key can have made this signature") from error
    return address_of_key(key.format(compressed=False)[1:])


def verify_printer_signature(digest: bytes, key_x: bytes, key_y: bytes, signature: bytes) -> bool:
    """Tell whether a printer's key made a 64-byte signature r ‖ s over a 32-byte digest (ECDSA on P-256,
    prehashed).

    False for wrong lengths, a point off the curve and s in the upper half of the order too: what the contract
    refuses is refused here.
    """
    if (len(digest), len(key_x), len(key_y), len(signature)) != (32, 32, 32, 64):
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < _P256_ORDER or not 0 < s <= _P256_ORDER // 2:
        return False
    try:
        _printer_key(key_x, key_y).verify(encode_dss_signature(r, s), digest, _PREHASHED)
    except (ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=1024)
def _printer_key(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    """Return a printer's public key; ValueError for a point off the curve."""
    return ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    ).public_key()


def sign_as_printer(private_key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
    """Sign a 32-byte digest with a printer's P-256 key; return r ‖ s, 64 bytes, s in the lower half of the
    order.
    """
    if len(digest) != 32:
        raise SignatureError(f"a digest is 32 bytes, this one {len(digest)}")
    return compact_signature(private_key.sign(digest, _PREHASHED))


def compact_signature(der: bytes) -> bytes:
    """Turn a P-256 signature in DER, as hardware makes it, into 64 bytes r ‖ s with s in the lower half."""
    try:
        r, s = decode_dss_signature(der)
    except ValueError as error:
        raise SignatureError("this is no ECDSA signature in DER") from error
    return r.to_bytes(32, "big") + min(s, _P256_ORDER - s).to_bytes(32, "big")
