"""Whether keys work: each is used once and held against its public half."""

from __future__ import annotations

import secrets

from ledger.signatures import verify_printer_signature
from printer_agent.errors import KeysUnavailable
from printer_agent.keys.base import DIGEST_BYTES, PrinterKeys
from storage.errors import SealInvalid
from storage.recipients import open_sealed, seal
from storage.secret import DataKey


def prove(keys: PrinterKeys) -> str:
    """Use both keys; give where they are.

    1. The signing key signs a fresh digest, and the enrolled public key verifies it.
    2. The sealing key opens a fresh data key that was sealed to the enrolled public key.

    Raises KeysUnavailable where the device fails or holds other keys.
    """
    # (1) signing
    digest, signing = secrets.token_bytes(DIGEST_BYTES), keys.signing
    if not verify_printer_signature(digest, signing.x, signing.y, signing.sign(digest)):
        raise _other_key("signing", keys)
    # (2) sealing
    with DataKey.generate() as key:
        blob = seal(key, keys.sealing.suite, keys.sealing.public, digest)
        try:
            with open_sealed(blob, keys.sealing, digest) as opened:
                same = opened == key
        except SealInvalid:
            same = False
    if not same:
        raise _other_key("sealing", keys)
    return keys.describe()


def _other_key(role: str, keys: PrinterKeys) -> KeysUnavailable:
    return KeysUnavailable(
        "other_key",
        f"at {keys.uri} there is another {role} key than the enrolled one",
        "plug in the device this printer was enrolled with, or enrol anew with another --home",
    )
