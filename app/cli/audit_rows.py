"""The service's own rows as claims for the audit: each says what the chain says, and the reverse."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator

from sqlmodel import Session, col, select

from app.designs.manifest import require_intact
from app.designs.states import RevisionState
from app.errors import AppError
from app.licences.states import LicenceState
from app.models import Licence, Organisation, Print, Printer, Revision
from app.printers.states import PrinterState
from app.prints.lifecycle import State
from ledger.audit import Finding, History, StoredRow
from ledger.commitment import canonical_json, report_commitment, terms_commitment
from ledger.errors import LedgerError
from ledger.typed_data import PrintOutcome, Result, Retirement, Revocation

_GRANTED = (LicenceState.ACTIVE, LicenceState.REVOKING, LicenceState.REVOKED)
_ENROLLED = (PrinterState.ENROLLED, PrinterState.RETIRING, PrinterState.RETIRED)
_RESULTS = {State.COMPLETED: Result.COMPLETED, State.FAILED: Result.FAILED, State.CANCELLED: Result.CANCELLED}
_COUNTED = (State.REDEEMED, *_RESULTS)


def claims(session: Session) -> Iterator[StoredRow]:
    """Yield what the rows claim the chain recorded; rows still on their way claim nothing."""
    addresses = {row.id: row.address or "" for row in session.exec(select(Organisation)).all()}
    printers = {row.id: row for row in session.exec(select(Printer)).all()}
    licences = {row.id: row for row in session.exec(select(Licence)).all()}
    for revision in session.exec(select(Revision).where(Revision.state == RevisionState.PUBLISHED)).all():
        yield _revision(revision, addresses[revision.organisation_id])
    for licence in licences.values():
        yield from _licence(licence)
    for printer in printers.values():
        yield from _printer(printer, addresses[printer.organisation_id])
    for row in session.exec(select(Print).where(col(Print.state).in_(_COUNTED))).all():
        yield from _print(row, licences[row.licence_id], printers[row.printer_id])


def openings(session: Session) -> Iterator[Finding]:
    """Yield where manifest, terms or report no longer open what was committed to."""
    addresses = {row.id: row.address or "" for row in session.exec(select(Organisation)).all()}
    for revision in session.exec(select(Revision).where(Revision.state == RevisionState.PUBLISHED)).all():
        try:
            require_intact(revision, addresses[revision.organisation_id])
        except (AppError, LedgerError, ValueError, KeyError) as error:
            yield Finding(f"revisions {revision.id}", getattr(error, "field", None) or "manifest", str(error))
    for licence in session.exec(select(Licence)).all():
        yield from _terms(licence)
    for row in session.exec(select(Print).where(col(Print.state).in_(tuple(_RESULTS)))).all():
        yield from _report(row)


def unclaimed(session: Session, history: History) -> Iterator[Finding]:
    """Yield what the chain recorded and no row tells of: for a chain that only this service writes to."""
    known = set(_facts(session))
    for record in history.records:
        fact = record.seen.fact
        if fact is not None and fact not in known:
            yield Finding(record.name, "row", f"no row of the database tells of {fact}")


def _facts(session: Session) -> Iterator[str]:
    for revision in session.exec(select(Revision).where(col(Revision.revision_hash).is_not(None))).all():
        yield f"publish:{_hex(revision.revision_hash)}"
    licences = {row.id: row for row in session.exec(select(Licence)).all()}
    for licence in licences.values():
        yield f"grant:{_hex(licence.licence_hash)}"
        if licence.state in (LicenceState.REVOKING, LicenceState.REVOKED):
            yield _revoke_fact(licence)
    for printer in session.exec(select(Printer).where(col(Printer.printer_hash).is_not(None))).all():
        yield f"enrol:{_hex(printer.printer_hash)}"
        if printer.state in (PrinterState.RETIRING, PrinterState.RETIRED):
            yield _retire_fact(printer)
    for row in session.exec(select(Print)).all():
        yield _print_fact(row, licences[row.licence_id])
        if row.outcome is not None:
            yield _outcome_fact(row)


def _revision(row: Revision, owner: str) -> StoredRow:
    values = {"owner": owner, "commitment": _hex(row.commitment)}
    return StoredRow("revisions", row.id, values, fact=f"publish:{_hex(row.revision_hash)}")


def _licence(row: Licence) -> Iterator[StoredRow]:
    if row.state not in _GRANTED:
        return
    counts = {
        "prints": row.prints,
        "reprints": row.reprints,
        "startsAt": row.starts_at,
        "expiresAt": row.expires_at,
    }
    yield StoredRow("licences", row.id, {**row.statement, **counts}, fact=f"grant:{_hex(row.licence_hash)}")
    if row.state == LicenceState.REVOKED:
        yield StoredRow("licences", row.id, {"licence": _hex(row.licence_hash)}, fact=_revoke_fact(row))


def _printer(row: Printer, provider: str) -> Iterator[StoredRow]:
    if row.state not in _ENROLLED:
        return
    values = {"provider": provider, "keyX": _hex(row.key_x), "keyY": _hex(row.key_y)}
    yield StoredRow("printers", row.id, values, fact=f"enrol:{_hex(row.printer_hash)}")
    if row.state == PrinterState.RETIRED:
        yield StoredRow("printers", row.id, {"printer": _hex(row.printer_hash)}, fact=_retire_fact(row))


def _print(row: Print, licence: Licence, printer: Printer) -> Iterator[StoredRow]:
    values = {
        "licence": _hex(licence.licence_hash),
        "sequence": row.sequence,
        "token": _hex(row.token_sha256),
        "deadline": row.deadline,
        "printer": _hex(printer.printer_hash),
    }
    yield StoredRow("prints", row.id, values, fact=_print_fact(row, licence))
    if row.state in _RESULTS:
        outcome = {**(row.outcome or {}), "result": int(_RESULTS[State(row.state)])}
        yield StoredRow("prints", row.id, outcome, fact=_outcome_fact(row))


def _terms(row: Licence) -> Iterator[Finding]:
    try:
        terms = canonical_json(json.loads(row.terms))
        made = terms_commitment(row.terms_salt, terms)
    except (ValueError, LedgerError) as error:
        yield Finding(f"licences {row.id}", "terms", f"cannot be read: {error}")
        return
    if not hmac.compare_digest(_hex(made), str(row.statement.get("terms"))):
        yield Finding(f"licences {row.id}", "terms", "are not the ones the licence commits to")


def _report(row: Print) -> Iterator[Finding]:
    try:
        report = canonical_json(json.loads(row.report or ""))
        made = report_commitment(row.report_salt or b"", report)
    except (ValueError, LedgerError) as error:
        yield Finding(f"prints {row.id}", "report", f"cannot be read: {error}")
        return
    if not hmac.compare_digest(_hex(made), str((row.outcome or {}).get("report"))):
        yield Finding(f"prints {row.id}", "report", "is not the one its outcome commits to")


def _revoke_fact(row: Licence) -> str:
    return f"revoke:{_hex(Revocation(row.licence_hash).struct_hash())}"


def _retire_fact(row: Printer) -> str:
    return f"retire:{_hex(Retirement(row.printer_hash or bytes(32)).struct_hash())}"


def _print_fact(row: Print, licence: Licence) -> str:
    return f"record_print:{_hex(licence.licence_hash)}:{row.sequence}:{_hex(row.token_sha256)}"


def _outcome_fact(row: Print) -> str:
    try:
        return f"record_outcome:{_hex(PrintOutcome.from_json(row.outcome).struct_hash())}"
    except LedgerError:
        return ""


def _hex(value: Iterable[int] | None) -> str:
    return "0x" + bytes(value or b"").hex()
