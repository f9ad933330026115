"""A printer's word for its sealing key: the enrolled P-256 key signs the HPKE key that data keys go to.

The chain knows a printer by the hash of provider and signing key. Whoever wraps a data key for the printer
verifies here that the sealing key is that printer's own, and need not trust who handed it out.
"""

from __future__ import annotations

from functools import lru_cache

from ledger.errors import SignatureError, TypedDataError
from ledger.typed_data import Domain, Enrolment, SealingKey, digest, verify_printer_signature


def sealing_statement(enrolment: Enrolment, suite: str, public: bytes) -> SealingKey:
    """Return what the printer of an enrolment signs to vouch for its HPKE public key."""
    return SealingKey(printer=enrolment.struct_hash(), suite=suite, public=public)


@lru_cache(maxsize=1024)
def verify_sealing_key(
    domain: Domain, provider: str, key_x: bytes, key_y: bytes, suite: str, public: bytes, signature: bytes
) -> bytes:
    """Verify that a printer vouches for a sealing key; return the printer's name on chain, 32 bytes.

    1. Provider and signing key name a printer, suite and public key a sealing key.
    2. That signing key signed that sealing key for that printer: 64 bytes r ‖ s, s in the lower half.

    The caller compares the name with the one that it knows, and asks the chain whether that is enrolled and
    not retired. Raises SignatureError naming what fails. What was verified is remembered by all of its bytes.
    """
    # (1) the statement
    try:
        enrolment = Enrolment(provider=provider, key_x=key_x, key_y=key_y)
        statement = sealing_statement(enrolment, suite, public)
    except TypedDataError as error:
        raise SignatureError(f"no printer can vouch for this sealing key: {error}") from error
    # (2) the signature
    if not verify_printer_signature(digest(domain, statement), key_x, key_y, signature):
        raise SignatureError(
            f"the signature is not by signing key 0x{key_x.hex()} of printer 0x{statement.printer.hex()} over"
            f" this sealing key of suite {suite!r}"
        )
    return statement.printer
