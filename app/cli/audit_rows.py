"""The service's own rows as claims for the audit: each says what the chain says, and the reverse."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import select as select_core
from sqlmodel import Session, SQLModel, select

from app.cli import audit_plates, transfer_rows
from app.designs.manifest import require_intact
from app.designs.states import RevisionState
from app.errors import AppError
from app.licences.states import LicenceState
from app.models import Licence, Organisation, Print, Printer, Revision
from app.printers.states import PrinterState
from app.prints.lifecycle import State
from ledger import identity, tables
from ledger.audit import Finding, History, StoredRow
from ledger.commitment import canonical_json, report_commitment, terms_commitment
from ledger.errors import LedgerError
from ledger.typed_data import Domain, PrintOutcome, Result, Retirement, Revocation
from storage.errors import StorageError

_GRANTED = (LicenceState.ACTIVE, LicenceState.REVOKING, LicenceState.REVOKED)
_ENROLLED = (PrinterState.ENROLLED, PrinterState.RETIRING, PrinterState.RETIRED)
_RESULTS = {State.COMPLETED: Result.COMPLETED, State.FAILED: Result.FAILED, State.CANCELLED: Result.CANCELLED}
_COUNTED = (State.REDEEMED, *_RESULTS)
_Model = TypeVar("_Model", bound=SQLModel)


class Inventory:
    """The rows of one moment; what a row points to and is not there is a finding, never a crash."""

    def __init__(self, session: Session) -> None:
        self.organisations = {row.id: row for row in session.exec(select(Organisation)).all()}
        self.revisions = {row.id: row for row in session.exec(select(Revision)).all()}
        self.licences = {row.id: row for row in session.exec(select(Licence)).all()}
        self.printers = {row.id: row for row in session.exec(select(Printer)).all()}
        self.prints = {row.id: row for row in plain_rows(session, Print)}
        self.domain = _domain(session)

    def address(self, organisation_id: str) -> str:
        """Give an organisation's address, empty where there is none."""
        row = self.organisations.get(organisation_id)
        return (row.address or "") if row else ""

    def origin(self, row: Licence) -> Licence | None:
        """Give the licence that a licence's prints were transferred from, None where they were granted."""
        return self.licences.get(row.transferred_from or "")

    def claims(self) -> Iterator[StoredRow]:
        """Yield what the rows claim the chain recorded; rows still on their way claim nothing."""
        for revision in self.revisions.values():
            yield from _revision(revision, self.address(revision.organisation_id))
        for licence in self.licences.values():
            yield from _licence(licence, self.origin(licence))
        for printer in self.printers.values():
            yield from _printer(printer, self.address(printer.organisation_id))
        for row in self.prints.values():
            of_licence, on_printer = self.licences.get(row.licence_id), self.printers.get(row.printer_id)
            if of_licence is not None and on_printer is not None:
                yield from _print(row, of_licence, on_printer)

    def findings(self, wallet_accepts: Callable[[str, bytes, bytes], bool]) -> Iterator[Finding]:
        """Yield dangling rows, and where manifest, terms or report no longer open what was committed to.

        `wallet_accepts` tells whether an account is a contract that takes a signature for its own.
        """
        yield from self._dangling()
        for revision in self.revisions.values():
            yield from _manifest(revision, self.address(revision.organisation_id))
        for licence in self.licences.values():
            yield from _terms(licence)
            origin = self.origin(licence)
            if origin is not None:
                yield from transfer_rows.findings(licence, origin)
            if self.domain is not None:
                owner = self.address(licence.owner_id)
                yield from transfer_rows.consent_findings(licence, owner, self.domain, wallet_accepts)
        for row in self.prints.values():
            yield from _report(row)

    def facts(self) -> Iterator[str]:
        """Yield every fact that a row knows of, confirmed or on its way."""
        for revision in self.revisions.values():
            yield f"publish:{_hex(revision.revision_hash)}"
        for licence in self.licences.values():
            yield _grant_fact(licence, self.origin(licence))
            if licence.state in (LicenceState.REVOKING, LicenceState.REVOKED):
                yield _revoke_fact(licence)
        for printer in self.printers.values():
            yield f"enrol:{_hex(printer.printer_hash)}"
            if printer.state in (PrinterState.RETIRING, PrinterState.RETIRED):
                yield _retire_fact(printer)
        for row in self.prints.values():
            if row.licence_id in self.licences:
                yield _print_fact(row, self.licences[row.licence_id])
            yield _outcome_fact(row)
        for prints in audit_plates.by_plate(self.prints.values()).values():
            yield audit_plates.record_operation(prints, self.licences)

    def _dangling(self) -> Iterator[Finding]:
        for row_id, revision in self.revisions.items():
            yield from _points("revisions", row_id, "organisation_id", revision, self.organisations)
        for row_id, licence in self.licences.items():
            yield from _points("licences", row_id, "revision_id", licence, self.revisions)
            if licence.transferred_from is not None:
                yield from _points("licences", row_id, "transferred_from", licence, self.licences)
        for row_id, printer in self.printers.items():
            yield from _points("printers", row_id, "organisation_id", printer, self.organisations)
        for row_id, row in self.prints.items():
            yield from _points("prints", row_id, "licence_id", row, self.licences)
            yield from _points("prints", row_id, "printer_id", row, self.printers)


def plain_rows(session: Session, model: type[_Model]) -> Sequence[_Model]:
    """Give a table's rows under the names of its model's attributes, to read only.

    Of what there are a hundred thousand, objects would cost several times as much.
    """
    table: Any = model.__table__  # type: ignore[attr-defined]
    return cast("Sequence[_Model]", session.connection().execute(select_core(table)).all())


def _domain(session: Session) -> Domain | None:
    """Give where statements count, None where the row that says so is not there or cannot be read."""
    try:
        known = identity.load(session.connection())
        return Domain(known.chain_id, known.contract) if known else None
    except LedgerError:
        return None


def _points(
    table: str, row_id: str, column: str, row: SQLModel, targets: Mapping[str, SQLModel]
) -> Iterator[Finding]:
    target = getattr(row, column)
    if target not in targets:
        yield Finding(f"{table} {row_id}", column, f"there is no {target}")


def unclaimed(session: Session, history: History) -> Iterator[Finding]:
    """Yield what the chain recorded and no row tells of: for a chain that only this service writes to."""
    known = set(Inventory(session).facts())
    events, operations = tables.events.c, tables.operations.c
    connection = session.connection()
    places = {tuple(row) for row in connection.execute(select_core(events.block_number, events.log_index))}
    sent = set(connection.execute(select_core(operations.fact)).scalars())
    for record in history.records:
        fact, log = record.seen.fact, record.seen.log
        if (log.block_number, log.index) not in places:
            yield Finding(record.name, "ledger_events", "no row tells of this event")
        if fact is not None and audit_plates.carried_by(record.operation, fact) not in sent:
            yield Finding(record.name, "ledger_operations", f"no row tells of {fact}")
        if fact is not None and fact not in known:
            yield Finding(record.name, "row", f"no row of the inventory tells of {fact}")


def _revision(row: Revision, owner: str) -> Iterator[StoredRow]:
    if row.state == RevisionState.PUBLISHED:
        values = {"owner": owner, "commitment": _hex(row.commitment)}
        yield StoredRow("revisions", row.id, values, fact=f"publish:{_hex(row.revision_hash)}")


def _licence(row: Licence, origin: Licence | None) -> Iterator[StoredRow]:
    if row.state not in _GRANTED:
        return
    if origin is not None:
        yield from transfer_rows.claims(row, origin)
    else:
        yield from _grant(row)
    if row.state == LicenceState.REVOKED:
        yield StoredRow("licences", row.id, {"licence": _hex(row.licence_hash)}, fact=_revoke_fact(row))


def _grant(row: Licence) -> Iterator[StoredRow]:
    counts = {
        "prints": row.prints,
        "reprints": row.reprints,
        "startsAt": row.starts_at,
        "expiresAt": row.expires_at,
    }
    for values in (row.statement, counts):
        yield StoredRow("licences", row.id, values, fact=_grant_fact(row, None))


def _printer(row: Printer, provider: str) -> Iterator[StoredRow]:
    if row.state not in _ENROLLED:
        return
    values = {"provider": provider, "keyX": _hex(row.key_x), "keyY": _hex(row.key_y)}
    yield StoredRow("printers", row.id, values, fact=f"enrol:{_hex(row.printer_hash)}")
    if row.state == PrinterState.RETIRED:
        yield StoredRow("printers", row.id, {"printer": _hex(row.printer_hash)}, fact=_retire_fact(row))


def _print(row: Print, licence: Licence, printer: Printer) -> Iterator[StoredRow]:
    if row.state not in _COUNTED:
        return
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


def _manifest(row: Revision, owner: str) -> Iterator[Finding]:
    if row.state != RevisionState.PUBLISHED:
        return
    try:
        require_intact(row, owner)
    except (AppError, LedgerError, StorageError, ValueError, KeyError) as error:
        yield Finding(f"revisions {row.id}", getattr(error, "field", None) or "manifest", str(error))


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
    if row.state not in _RESULTS:
        return
    try:
        report = canonical_json(json.loads(row.report or ""))
        made = report_commitment(row.report_salt or b"", report)
    except (ValueError, LedgerError) as error:
        yield Finding(f"prints {row.id}", "report", f"cannot be read: {error}")
        return
    if not hmac.compare_digest(_hex(made), str((row.outcome or {}).get("report"))):
        yield Finding(f"prints {row.id}", "report", "is not the one its outcome commits to")


def _grant_fact(row: Licence, origin: Licence | None) -> str:
    return transfer_rows.transfer_fact(row, origin) if origin else f"grant:{_hex(row.licence_hash)}"


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
