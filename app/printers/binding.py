"""Binds a printer's keys to its row: who can only write the database cannot have a key sealed to somebody
else.

The chain knows the signing key. The sealing key it does not know, so a digest of both is wrapped by the key
back end at enrolment, bound to the printer, and unwrapped and compared before anything is sealed.
"""

from __future__ import annotations

import hashlib
import hmac

from app.encodings import to_base64, to_hex
from app.errors import IntegrityBroken
from app.models import Printer
from ledger.commitment import canonical_json
from ledger.typed_data import Enrolment
from storage.envelope import ObjectContext
from storage.errors import WrongContext
from storage.keys import KeyBackend, WrappedKey
from storage.secret import DataKey


def bind(keys: KeyBackend, printer: Printer) -> dict[str, str]:
    """Wrap the digest of the printer's keys."""
    with DataKey(_digest(printer)) as digest:
        return keys.wrap(digest, _context(printer)).to_json()


def require_bound(keys: KeyBackend, printer: Printer, provider: str) -> None:
    """Verify that the row holds the keys that were enrolled.

    1. Provider and signing key hash to the printer the chain knows.
    2. Signing and sealing key are those whose digest was wrapped at enrolment.

    Raises IntegrityBroken, and KeyUnavailable where the key back end does not answer.
    """
    # (1) the signing key
    enrolment = Enrolment(provider=provider, key_x=printer.key_x or b"", key_y=printer.key_y or b"")
    if printer.printer_hash is None or not hmac.compare_digest(enrolment.struct_hash(), printer.printer_hash):
        raise _changed(printer)
    # (2) the sealing key
    if printer.key_binding is None:
        raise _changed(printer)
    try:
        with keys.unwrap(WrappedKey.from_json(printer.key_binding), _context(printer)) as digest:
            same = hmac.compare_digest(digest.view(), _digest(printer))
    except WrongContext:
        same = False
    if not same:
        raise _changed(printer)


def _digest(printer: Printer) -> bytes:
    content = {
        "printer": printer.id,
        "key_x": to_hex(printer.key_x or b""),
        "key_y": to_hex(printer.key_y or b""),
        "suite": printer.sealing_suite,
        "public": to_base64(printer.sealing_public or b""),
    }
    return hashlib.sha256(canonical_json(content)).digest()


def _context(printer: Printer) -> ObjectContext:
    return ObjectContext(
        tenant=printer.organisation_id, object_id=printer.id, version=1, kind="enrolled-keys"
    )


def _changed(printer: Printer) -> IntegrityBroken:
    return IntegrityBroken(
        f"the keys of printer {printer.id} are not the enrolled ones",
        field="printer",
        remedy="nothing was counted; retire the printer and enrol it anew",
    )
