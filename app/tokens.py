"""Bearer secrets the service hands out once and keeps only as SHA-256: API keys, print tokens, enrolment
codes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from app.identifiers import Entropy

PRINT_TOKEN_PREFIX = "pvt_"  # noqa: S105  # a prefix, not a secret
PLATE_TOKEN_PREFIX = "pvp_"  # noqa: S105  # a prefix, not a secret
ENROLMENT_CODE_PREFIX = "pve_"
API_KEY_PREFIX = "pv_"


class Token:
    """A secret of 256 random bits in text form; shows as `***` wherever it is printed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text, for the one answer that shows it."""
        return self._text

    def digest(self) -> bytes:
        """SHA-256 of the text, the form that is stored and compared."""
        return hashlib.sha256(self._text.encode()).digest()

    def matches(self, digest: bytes) -> bool:
        """Compare with a stored digest in constant time."""
        return hmac.compare_digest(self.digest(), digest)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


def new_token(prefix: str, entropy: Entropy = secrets.token_bytes) -> Token:
    """Make a fresh secret of 256 bits."""
    return Token(prefix + entropy(32).hex())


def new_api_key(key_id: str, entropy: Entropy = secrets.token_bytes) -> Token:
    """Make an API key that names its own row: `pv_<key id>_<secret>`."""
    return new_token(f"{API_KEY_PREFIX}{key_id}_", entropy)


def key_id_of(text: str) -> str | None:
    """Read the row id out of an API key; None where it is no API key."""
    head, _, secret = text.rpartition("_")
    if not text.startswith(API_KEY_PREFIX) or len(secret) != 64:
        return None
    return head.removeprefix(API_KEY_PREFIX)
