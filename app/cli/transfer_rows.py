"""Rows of licences whose prints were transferred, and consents, as claims for the audit.

A transferred licence claims the transfer on chain, with its origin and the owner's consent, where a granted
one claims its grant; so prints taken from one licence must stand in exactly one other.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator

from app.models import Licence
from ledger.audit import Finding, StoredRow
from ledger.errors import LedgerError
from ledger.typed_data import (
    Domain,
    PrintTransfer,
    TransferConsent,
    digest,
    recover_signer,
    transferred,
)
from ledger.typed_data import Licence as LicenceStatement


def transfer_fact(row: Licence, origin: Licence) -> str:
    """Give the fact of the transfer that made a licence; empty where the row is too damaged to state one."""
    try:
        return f"transfer:0x{_transfer(row, origin).struct_hash().hex()}"
    except LedgerError:
        return ""


def claims(row: Licence, origin: Licence) -> Iterator[StoredRow]:
    """Yield what the rows of a transferred licence and of its origin claim of the transfer."""
    fact = transfer_fact(row, origin)
    signed = {name: value for name, value in row.statement.items() if name != "reprints"}
    own = {"prints": row.prints, "startsAt": row.starts_at, "expiresAt": row.expires_at}
    yield StoredRow("licences", row.id, signed | {"licence": _hex(origin.licence_hash)}, fact=fact)
    yield StoredRow("licences", row.id, own, fact=fact)
    consent = {"owner_signature": _hex(origin.transfer_consent)}
    yield StoredRow("licences", origin.id, consent, fact=fact)


def findings(row: Licence, origin: Licence) -> Iterator[Finding]:
    """Yield where a transferred licence is not what its transfer makes of its origin."""
    name = f"licences {row.id}"
    try:
        made = transferred(LicenceStatement.from_json(origin.statement), _transfer(row, origin))
    except LedgerError as error:
        yield Finding(name, "statement", f"cannot be read: {error}")
        return
    if made.to_json() != row.statement:
        yield Finding(name, "statement", f"is not what a transfer makes of licence {origin.id}")
    if made.struct_hash() != row.licence_hash:
        yield Finding(name, "licence_hash", f"is not that of a licence made of {origin.id}")
    if row.reprints != made.reprints:
        yield Finding(name, "reprints", "transferred prints have none")


def consent_findings(
    row: Licence, owner: str, domain: Domain, wallet_accepts: Callable[[str, bytes, bytes], bool]
) -> Iterator[Finding]:
    """Yield where a consent is not its owner's; `owner` is the address, which may be a contract's."""
    if row.transfer_consent is None:
        return
    signed = digest(domain, TransferConsent(row.licence_hash))
    try:
        signer = recover_signer(signed, row.transfer_consent)
    except LedgerError:
        signer = ""
    own = hmac.compare_digest(signer.encode(), owner.encode())
    if not own and not wallet_accepts(owner, signed, row.transfer_consent):
        yield Finding(f"licences {row.id}", "transfer_consent", "is not signed by the licence's owner")


def _transfer(row: Licence, origin: Licence) -> PrintTransfer:
    made = LicenceStatement.from_json(row.statement)
    return PrintTransfer(origin.licence_hash, made.provider, made.prints, made.salt)


def _hex(value: bytes | None) -> str:
    return "0x" + (value or b"").hex()
