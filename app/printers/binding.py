"""Binds a printer's keys to its name on chain: who can only write the database cannot have a key sealed to
somebody else.

The chain knows the signing key, and the signing key vouches for the sealing key and for its successor.
"""

from __future__ import annotations

import hmac

from app.errors import IntegrityBroken
from app.models import Printer
from ledger.errors import LedgerError, SignatureError
from ledger.sealing import verify_sealing_key
from ledger.succession import Succession, verify_succession
from ledger.typed_data import Domain


def require_bound(domain: Domain, printer: Printer, provider: str) -> None:
    """Verify that the row holds the keys that were enrolled.

    1. The signing key vouches for the sealing key.
    2. Provider and signing key hash to the row's name on chain; that the chain has it is the caller's to ask.

    Raises IntegrityBroken.
    """
    # (1) the sealing key
    try:
        named = verify_sealing_key(
            domain,
            provider,
            printer.key_x or b"",
            printer.key_y or b"",
            printer.sealing_suite or "",
            printer.sealing_public or b"",
            printer.sealing_signature or b"",
        )
    except SignatureError as error:
        raise _changed(printer) from error
    # (2) the signing key
    if not hmac.compare_digest(named, printer.printer_hash or b""):
        raise _changed(printer)


def succeeds(domain: Domain, printer: Printer, before: Printer | None) -> bool:
    """Tell whether the row's succession is its predecessor's word; of a machine's first there is none."""
    signature = printer.succession_signature
    if before is None or signature is None:
        return printer.predecessor_id is None and signature is None
    try:
        statement = Succession(before.printer_hash or b"", printer.printer_hash or b"")
        return verify_succession(domain, statement, before.key_x or b"", before.key_y or b"", signature)
    except LedgerError:
        return False


def _changed(printer: Printer) -> IntegrityBroken:
    return IntegrityBroken(
        f"the keys of printer {printer.id} are not the enrolled ones",
        field="printer",
        remedy="nothing was counted; retire the printer and enrol it anew",
    )
