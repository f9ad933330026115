"""Rows against rows for the audit: what a row repeats of another, whom it names, and where it stands.

`app.cli.audit_rows` compares rows with the chain; here is what only the rows among themselves can tell, and
whether their states allow what the chain has recorded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from sqlmodel import Session, select

from app.cli import audit_access, audit_plates, audit_reissues, audit_serials, audit_shreddings
from app.cli.audit_releases import Answers
from app.cli.audit_rows import Inventory, plain_rows
from app.designs.custody import Custody
from app.designs.states import RevisionState
from app.errors import AppError
from app.licences.states import LicenceState
from app.models import (
    ApiKey,
    Design,
    Licence,
    LicenceKey,
    Organisation,
    PartSerial,
    Plate,
    Print,
    Printer,
    Reissue,
    Release,
    Revision,
    Shredding,
    WrappedSecret,
)
from app.printers.binding import require_bound, succeeds
from app.printers.states import PrinterState
from app.prints.lifecycle import State
from app.shredding import lifecycle as shredding
from ledger.audit import Finding, History
from ledger.errors import LedgerError
from ledger.typed_data import (
    Domain,
    Enrolment,
    PrintClaim,
    PrintOutcome,
    Retirement,
    Revocation,
    digest,
    printers_root,
    verify_printer_signature,
)
from storage.recipients import sealed_bytes

_COUNTED: Final = frozenset({State.REDEEMED, State.COMPLETED, State.FAILED, State.CANCELLED})
_ON_CHAIN: Final = (
    PrinterState.APPROVING,
    PrinterState.ENROLLED,
    PrinterState.RETIRING,
    PrinterState.RETIRED,
)
_ENROLLED: Final = frozenset(_ON_CHAIN) - {PrinterState.APPROVING}
_ACCOUNT: Final = "account"


class Relations:
    """The rows of one moment, each beside those it names.

    `history` is what the chain had recorded before: rows may know more than it, never less.
    """

    def __init__(self, session: Session, inventory: Inventory, history: History) -> None:
        self._rows = inventory
        self._domain = history.domain
        self._facts = {each.seen.fact: each for each in history.records if each.seen.fact is not None}
        self._answers = Answers(self._receipt)
        self._plates = audit_plates.by_plate(inventory.prints.values())
        self._plate_rows = list(session.exec(select(Plate)).all())
        self._designs = {row.id: row for row in session.exec(select(Design)).all()}
        self._releases = plain_rows(session, Release)
        self._released = Counter(release.print_id for release in self._releases)
        self._keys = list(session.exec(select(LicenceKey)).all())
        self._sealed_for: dict[str, set[str]] = {}
        for key in self._keys:
            self._sealed_for.setdefault(key.licence_id, set()).add(key.printer_id)
        self._owners_keys = {(key.licence_id, key.printer_id): key for key in self._keys}
        self._reissues = list(session.exec(select(Reissue)).all())
        self._replacing = {each.licence_id for each in self._reissues}
        self._shreddings = list(session.exec(select(Shredding)).all())
        self._serials = list(session.exec(select(PartSerial)).all())
        self._api_keys = {row.id: row for row in session.exec(select(ApiKey)).all()}
        self._accounts = {
            row.object_id for row in session.exec(select(WrappedSecret)).all() if row.kind == _ACCOUNT
        }

    def _receipt(self, fact: str) -> dict[str, Any] | None:
        return self._facts[fact].receipt() if fact in self._facts else None

    def findings(self) -> Iterator[Finding]:
        """Yield every column that contradicts another row, or a state that contradicts the chain."""
        rows = self._rows
        for judge, subjects in (
            (self._organisation, rows.organisations.values()),
            (self._design, self._designs.values()),
            (self._revision, rows.revisions.values()),
            (self._licence, rows.licences.values()),
            (self._printer, rows.printers.values()),
            (self._print, rows.prints.values()),
            (self._release, self._releases),
            (self._licence_key, self._keys),
            (self._reissue, self._reissues),
            (self._shredding, self._shreddings),
        ):
            yield from chain.from_iterable(map(judge, subjects))  # type: ignore[arg-type]
        yield from audit_plates.findings(self._plate_rows, rows.prints.values())
        yield from audit_reissues.untold(self._reissues, rows.licences, rows.prints)
        yield from audit_access.findings(self._api_keys, rows.organisations)
        yield from audit_serials.findings(self._serials, rows)

    def _organisation(self, row: Organisation) -> Iterator[Finding]:
        name = f"organisations {row.id}"
        if row.account_type not in (None, "managed", "external"):
            yield Finding(name, "account_type", f"{row.account_type!r} is no type of account")
        said = {
            "account_type": (row.account_type == "managed", row.id in self._accounts),
            "address": (bool(row.address), row.account_type is not None),
        }
        yield from _unlike(name, said)

    def _design(self, row: Design) -> Iterator[Finding]:
        name = f"designs {row.id}"
        yield from _unlike(name, {"custody": (row.custody in tuple(Custody), True)})
        if row.organisation_id not in self._rows.organisations:
            yield Finding(name, "organisation_id", f"there is no {row.organisation_id}")
        done = [s for s in self._shreddings if s.design_id == row.id and s.state in ("confirmed", "shredded")]
        told = done[-1].confirmed_at if done else None
        yield from _unlike(name, {"shredded_at": (row.shredded_at, told)})

    def _revision(self, row: Revision) -> Iterator[Finding]:
        name, design = f"revisions {row.id}", self._designs.get(row.design_id)
        yield from _state(name, row.state, RevisionState)
        if design is None:
            yield Finding(name, "design_id", f"there is no {row.design_id}")
            return
        yield from _unlike(name, {"organisation_id": (row.organisation_id, design.organisation_id)})
        fact = f"publish:{_hex(row.revision_hash)}"
        if fact in self._facts:
            allowed = (RevisionState.PUBLISHING, RevisionState.PUBLISHED)
            yield from _allowed(name, row.state, allowed)
            yield from _unlike(name, {"publish_operation": (row.publish_operation, fact)})
        if row.state != RevisionState.INSPECTING:
            yield from _unlike(
                name, {"lease_owner, lease_until": ((row.lease_owner, row.lease_until), (None, None))}
            )
        manifest = _read(row.manifest)
        if manifest is None:
            return
        file, inspection = _first(manifest.get("files")), row.inspection or {}
        said = {
            "design_id": (row.design_id, manifest.get("design")),
            "number": (row.number, manifest.get("revision")),
            "id": (row.id, manifest.get("revision_id")),
            "recipe": (row.recipe, manifest.get("recipe")),
            "filename": (row.filename, file.get("filename")),
            "file_bytes": (row.file_bytes, file.get("bytes")),
            "file_sha256": ((row.file_sha256 or b"").hex(), file.get("sha256")),
            "file_format": (row.file_format, file.get("format")),
            "inspection.verdict": (inspection.get("verdict"), "pass"),
            "inspection.geometry": (inspection.get("geometry"), manifest.get("geometry")),
            "inspection.toolpath": (inspection.get("toolpath"), manifest.get("toolpath")),
            "inspection.format": (inspection.get("format"), file.get("format")),
            "inspection.sha256": (inspection.get("sha256"), file.get("sha256")),
            "inspection.bytes": (inspection.get("bytes"), file.get("bytes")),
            "inspection.declared_by": (
                inspection.get("declared_by"),
                Custody.OWNER if manifest.get("custody") == Custody.OWNER else None,
            ),
        }
        yield from _unlike(name, said)
        yield from _unlike(f"designs {design.id}", {"custody": (design.custody, manifest.get("custody"))})

    def _licence(self, row: Licence) -> Iterator[Finding]:
        name, revision = f"licences {row.id}", self._rows.revisions.get(row.revision_id)
        yield from _state(name, row.state, LicenceState)
        chosen = [self._rows.printers.get(each) for each in row.printers]
        listed = [each.printer_hash for each in chosen if each is not None and each.printer_hash]
        made = printers_root(listed) if len(listed) == len(row.printers) else None
        published = _hex(revision.revision_hash if revision else None)
        said = {
            "owner_id": (self._rows.address(row.owner_id), row.statement.get("owner")),
            "provider_id": (self._rows.address(row.provider_id), row.statement.get("provider")),
            "revision_id": (
                published,
                row.statement.get("revision"),
            ),
            "printers": (_hex(made), row.statement.get("printers")),
        }
        yield from _unlike(name, said)
        design = self._designs.get(revision.design_id) if revision else None
        if design is not None and design.custody == Custody.OWNER and design.shredded_at is None:
            yield from self._sealed(name, row)
        if row.grant_operation in self._facts:
            granted = (LicenceState.PENDING, LicenceState.ACTIVE, LicenceState.REVOKING, LicenceState.REVOKED)
            yield from _allowed(name, row.state, granted)
        if row.transferred_from is None:
            granted_by = f"grant:{_hex(row.licence_hash)}"
            yield from _unlike(name, {"grant_operation": (row.grant_operation, granted_by)})
        revoked = f"revoke:{_hex(Revocation(row.licence_hash).struct_hash())}"
        if revoked in self._facts:
            yield from _allowed(name, row.state, (LicenceState.REVOKING, LicenceState.REVOKED))
            yield from _unlike(name, {"revoke_operation": (row.revoke_operation, revoked)})
        elif row.state == LicenceState.ACTIVE:
            yield from _unlike(name, {"revoke_operation": (row.revoke_operation, None)})

    def _sealed(self, name: str, row: Licence) -> Iterator[Finding]:
        sealed = self._sealed_for.get(row.id, set())
        whole = row.transferred_from is None and row.id not in self._replacing
        if whole and not sealed.issuperset(row.printers):
            yield Finding(name, "licence_keys", "there is no sealed key for a printer that it lists")

    def _printer(self, row: Printer) -> Iterator[Finding]:
        name, provider = f"printers {row.id}", self._rows.address(row.organisation_id)
        yield from _state(name, row.state, PrinterState)
        if row.key_x is None:
            return
        try:
            require_bound(self._domain, row, provider)
        except (AppError, LedgerError, ValueError) as error:
            yield Finding(name, "key_x, key_y, sealing_suite, sealing_public, sealing_signature", str(error))
        if not _possessed(self._domain, row, provider):
            yield Finding(name, "possession_signature", "is not by the printer's key")
        yield from self._succession(name, row)
        fact = f"enrol:{_hex(row.printer_hash)}"
        if fact not in self._facts:
            return
        yield from _allowed(name, row.state, _ON_CHAIN)
        yield from _unlike(name, {"enrol_operation": (row.enrol_operation, fact)})
        retired = f"retire:{_hex(Retirement(row.printer_hash or bytes(32)).struct_hash())}"
        if retired in self._facts:
            yield from _allowed(name, row.state, (PrinterState.RETIRING, PrinterState.RETIRED))
            yield from _unlike(name, {"retire_operation": (row.retire_operation, retired)})
        elif row.state == PrinterState.ENROLLED:
            yield from _unlike(name, {"retire_operation": (row.retire_operation, None)})

    def _succession(self, name: str, row: Printer) -> Iterator[Finding]:
        before = self._rows.printers.get(row.predecessor_id or "")
        if not succeeds(self._domain, row, before):
            yield Finding(name, "predecessor_id, succession_signature", "is not its predecessor's word")
        enrolled = [
            each
            for each in self._rows.printers.values()
            if each.predecessor_id == row.id and each.state in _ENROLLED
        ]
        known = [each.id for each in enrolled if f"enrol:{_hex(each.printer_hash)}" in self._facts]
        if row.successor_id not in [each.id for each in enrolled] and (row.successor_id or known):
            yield Finding(name, "successor_id", "is not the enrolled printer that succeeds it")

    def _print(self, row: Print) -> Iterator[Finding]:
        name, licence = f"prints {row.id}", self._rows.licences.get(row.licence_id)
        printer = self._rows.printers.get(row.printer_id)
        yield from _state(name, row.state, State)
        if licence is None or printer is None:
            return
        said: dict[str, tuple[object, object]] = {
            "owner_id": (row.owner_id, licence.owner_id),
            "provider_id": (row.provider_id, licence.provider_id),
            "printer_id": (printer.organisation_id, licence.provider_id),
        }
        claim = f"record_print:{_hex(licence.licence_hash)}:{row.sequence}"
        counted = f"{claim}:{_hex(row.token_sha256)}" in self._facts
        if counted:
            said["holds_sequence"] = (row.holds_sequence, True)
            yield from _allowed(name, row.state, (State.REDEEMING, State.REFUSED, *_COUNTED))
        if row.state in _COUNTED:
            said["redeemed_at"] = (row.redeemed_at is not None, True)
            released = self._released[row.id]
            if released != 1:
                yield Finding(name, "state", f"is {row.state}, and there are {released} releases of it")
            said["record_operation"] = (row.record_operation, self._record_operation(row, licence))
        reported = row.outcome is not None
        said["outcome_operation"] = (row.outcome_operation, _outcome_operation(row) if reported else None)
        said["report"] = (row.report is not None, reported)
        said["report_salt"] = (row.report_salt is not None, reported)
        yield from _unlike(name, said)

    def _record_operation(self, row: Print, licence: Licence) -> str:
        if row.plate_id is None:
            return _record_operation(row, licence)
        return audit_plates.record_operation(self._plates[row.plate_id], self._rows.licences)

    def _reissue(self, row: Reissue) -> Iterator[Finding]:
        return audit_reissues.findings(row, self._rows.licences, self._rows.prints)

    def _release(self, row: Release) -> Iterator[Finding]:
        name, of_print = f"releases {row.id}", self._rows.prints.get(row.print_id)
        if of_print is None:
            yield Finding(name, "print_id", f"there is no {row.print_id}")
            return
        licence, printer = (
            self._rows.licences.get(of_print.licence_id),
            self._rows.printers.get(of_print.printer_id),
        )
        revision = self._rows.revisions.get(row.revision_id)
        yield from _unlike(name, {"printer_id": (row.printer_id, of_print.printer_id)})
        if licence is None or printer is None or revision is None or licence.revision_id != revision.id:
            yield Finding(name, "revision_id", "is not what the print's licence is for")
            return
        design = self._designs.get(revision.design_id)
        shredded = design is not None and design.shredded_at is not None
        yield from _unlike(name, {"body": (row.body is None, shredded)})
        if row.body is None:
            return
        fact = f"record_print:{_hex(licence.licence_hash)}:{of_print.sequence}:{_hex(of_print.token_sha256)}"
        owners = self._owners_keys.get((licence.id, printer.id))
        yield from self._answers.findings(row, fact, licence, printer, revision, owners)

    def _licence_key(self, row: LicenceKey) -> Iterator[Finding]:
        name = f"licence_keys {row.licence_id} {row.printer_id}"
        licence, printer = self._rows.licences.get(row.licence_id), self._rows.printers.get(row.printer_id)
        if licence is None or printer is None or row.printer_id not in licence.printers:
            yield Finding(name, "row", "is of no printer that its licence lists")
            return
        yield from _unlike(name, {"suite": (row.suite, printer.sealing_suite)})
        if row.suite == printer.sealing_suite:
            yield from _unlike(name, {"blob": (len(row.blob), sealed_bytes(row.suite))})

    def _shredding(self, row: Shredding) -> Iterator[Finding]:
        name, design = f"shreddings {row.id}", self._designs.get(row.design_id)
        yield from _state(name, row.state, shredding.State)
        if design is None:
            yield Finding(name, "design_id", f"there is no {row.design_id}")
            return
        yield from _unlike(name, {"organisation_id": (row.organisation_id, design.organisation_id)})
        if row.state in ("confirmed", "shredded"):
            yield from _unlike(name, {"confirmed_at": (row.confirmed_at, design.shredded_at)})
        revisions = [each for each in self._rows.revisions.values() if each.design_id == design.id]
        yield from audit_shreddings.findings(row, self._api_keys, revisions, self._releases)


def _possessed(domain: Domain, row: Printer, provider: str) -> bool:
    x, y, signature = row.key_x or b"", row.key_y or b"", row.possession_signature or b""
    try:
        enrolment = Enrolment(provider, x, y)
    except LedgerError:
        return False
    return verify_printer_signature(digest(domain, enrolment), x, y, signature)


def _record_operation(row: Print, licence: Licence) -> str:
    try:
        claim = PrintClaim(licence.licence_hash, row.sequence, row.token_sha256, row.deadline)
    except LedgerError:
        return ""
    return f"record_print:{_hex(claim.struct_hash())}"


def _outcome_operation(row: Print) -> str:
    try:
        return f"record_outcome:{_hex(PrintOutcome.from_json(row.outcome).struct_hash())}"
    except LedgerError:
        return ""


def _state(name: str, state: str, known: Iterable[str]) -> Iterator[Finding]:
    if state not in tuple(known):
        yield Finding(name, "state", f"{state!r} is no state")


def _allowed(name: str, state: str, allowed: Iterable[str]) -> Iterator[Finding]:
    if state not in tuple(allowed):
        yield Finding(name, "state", f"is {state}; the chain's record allows {', '.join(allowed)}")


def _unlike(name: str, said: Mapping[str, tuple[object, object]]) -> Iterator[Finding]:
    for column, (value, wanted) in said.items():
        if value != wanted:
            yield Finding(name, column, f"says {value!r:.90}, the rows it belongs to say {wanted!r:.90}")


def _read(text: str | bytes | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _first(items: object) -> Mapping[str, Any]:
    first = items[0] if isinstance(items, list) and items else {}
    return first if isinstance(first, dict) else {}


def _hex(value: bytes | None) -> str:
    return "0x" + (value or b"").hex()
