"""Row ids: a prefix for the kind and 26 characters that sort by time (ULID layout, Crockford base 32)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Gives that many random bytes."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

ORGANISATION, API_KEY, DESIGN, REVISION = "org", "key", "dsn", "rev"
LICENCE, PRINTER, PRINT, RELEASE, RESEMBLANCE = "lic", "prt", "job", "rel", "sim"
QUARANTINE, ALARM, PLATE = "qua", "alm", "plt"


def new_id(prefix: str, entropy: Entropy = secrets.token_bytes) -> str:
    """Make an id such as `dsn_01k…`: 48 bits of milliseconds, 80 random bits."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(entropy(10), "big")
    digits = [_ALPHABET[value >> shift & 31] for shift in range(125, -5, -5)]
    return f"{prefix}_{''.join(digits)}"
