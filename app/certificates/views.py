"""Prints and checks as the answers show them."""

from __future__ import annotations

from app.certificates.public_print import PublicPrint, Recorded
from app.certificates.schemas import (
    CertificateChecked,
    CheckResult,
    FindingView,
    OutcomeRecordedView,
    PublicPrintView,
    RecordedView,
)
from app.clock import rfc3339
from app.encodings import to_hex
from ledger.certificate_audit import Verification
from ledger.typed_data import Domain


def public_view(seen: PublicPrint, domain: Domain) -> PublicPrintView:
    """Show what the chain tells of a print."""
    outcome = seen.outcome
    return PublicPrintView(
        chain_id=domain.chain_id,
        contract=domain.contract,
        print=to_hex(seen.print),
        licence=to_hex(seen.licence),
        printer=to_hex(seen.printer),
        sequence=seen.sequence,
        allowed=seen.allowed,
        recorded=_recorded(seen.recorded),
        outcome=None
        if outcome is None
        else OutcomeRecordedView(
            result=outcome.result, credited=outcome.credited, recorded=_recorded(outcome.recorded)
        ),
        licence_revoked=seen.licence_revoked,
        printer_retired=seen.printer_retired,
    )


def checked_view(print_hash: bytes, verified: Verification) -> CertificateChecked:
    """Show what each check found."""
    standing = verified.standing
    return CertificateChecked(
        ok=verified.ok,
        print=to_hex(print_hash),
        checks=[
            CheckResult(
                check=check, ok=not findings, findings=[FindingView(**each.to_json()) for each in findings]
            )
            for check, findings in verified.found.items()
        ],
        licence_revoked=None if standing is None else standing.licence_revoked,
        printer_retired=None if standing is None else standing.printer_retired,
    )


def _recorded(where: Recorded) -> RecordedView:
    return RecordedView(
        block_number=where.block_number,
        block_time=rfc3339(where.block_time),
        transaction=to_hex(where.transaction),
    )
