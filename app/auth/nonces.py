"""Server nonces for DPoP proofs (RFC 9449, sections 8 and 9): they stand in for a machine's clock.

A nonce is an HMAC over a slot of time and the printer's id. Nothing is stored: every process of the service
that has the key takes what another gave, before and after a restart.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SLOT_S = 150
"""A nonce is good for the slot it was given in and for the next: 150 to 300 seconds."""

_PURPOSE = b"partvault/dpop-nonce/v1"


class Nonces:
    """Gives nonces to printers and knows them again; the key never shows."""

    def __init__(self, secret: bytes) -> None:
        """Derive the key (RFC 5869, expand) from a secret of 32 random bytes that all processes share."""
        self._key = HKDFExpand(SHA256(), 32, _PURPOSE).derive(secret)

    def give(self, printer_id: str, now: int) -> str:
        """Give the printer's nonce of this moment, 43 characters."""
        return self._of(printer_id, now // SLOT_S)

    def good_until(self, nonce: str, printer_id: str, now: int) -> int | None:
        """Give the last second at which a nonce is good, None where it is not.

        One of the next slot is taken: another process's clock may be a little ahead.
        """
        slot = now // SLOT_S
        for candidate in (slot - 1, slot, slot + 1):
            if hmac.compare_digest(nonce.encode(), self._of(printer_id, candidate).encode()):
                return (candidate + 2) * SLOT_S - 1
        return None

    def _of(self, printer_id: str, slot: int) -> str:
        message = _PURPOSE + slot.to_bytes(8, "big") + printer_id.encode()
        mac = hmac.new(self._key, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
