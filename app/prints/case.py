"""Everything a decision about a print depends on, gathered from the rows and from the chain."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.exc import NoResultFound
from sqlmodel import Session, col, func, select

from app import submission
from app.accounts.signing import address_of
from app.auth import standing
from app.designs import manifest
from app.designs.custody import Custody, committed_custody
from app.designs.stored import file_of
from app.errors import IntegrityBroken, Reason
from app.licences import service as licences
from app.licences import states as licence_states
from app.models import Design, Licence, LicenceKey, Organisation, Print, Printer, Revision
from app.printers import service as printers
from app.printers.binding import require_bound
from app.printers.states import PrinterState as Enrolment
from app.prints.contents import Contents
from app.prints.policy import Device, Part, Permission, Question, judge
from app.wiring import Services
from ledger.commitment import terms_commitment
from ledger.contract_state import LicenceState, PrinterState
from ledger.prepared import Prepared
from ledger.typed_data import Domain, PrintClaim, printers_root

_Row = TypeVar("_Row", Licence, Printer, Design, Revision, Organisation, Print)
_LICENCES, _PRINTERS, _REVISIONS = Contents(Licence), Contents(Printer), Contents(Revision)
_DESIGNS, _OWNERS = Contents(Design), Contents(Organisation)
_LICENCE_MOVING = {licence_states.LicenceState.PENDING, licence_states.LicenceState.REVOKING}
_PRINTER_MOVING = {Enrolment.APPROVING, Enrolment.RETIRING}
"""States that the outbox may have moved on; other rows are in line with it."""
_ASKED: BindParameter[Any] = bindparam("licences", expanding=True)
_SEALED = Prepared(
    select(col(LicenceKey.licence_id), LicenceKey.printer_id, LicenceKey.suite, LicenceKey.blob).where(
        col(LicenceKey.licence_id).in_(_ASKED)
    ),
    "licences",
)
_PASSED_ON = Prepared(
    select(col(Licence.transferred_from), func.sum(Licence.prints))
    .where(col(Licence.transferred_from).in_(_ASKED))
    .where(col(Licence.state) != licence_states.LicenceState.REJECTED)
    .group_by(col(Licence.transferred_from)),
    "licences",
)


@dataclass(frozen=True)
class Counts:
    """What the chain says of licence and printer, asked before any transaction is opened.

    The hashes are the names that the chain was asked for.
    """

    licence: LicenceState | None
    printer: PrinterState | None
    licence_hash: bytes | None = None
    printer_hash: bytes | None = None

    @property
    def consumed(self) -> frozenset[int]:
        """Give the numbers above the base that are used."""
        state, numbers = self.licence, []
        window = state.window if state is not None else 0
        while window:
            numbers.append((window & -window).bit_length())
            window &= window - 1
        return frozenset(state.base + number for number in numbers) if state is not None else frozenset()

    def counted(self, sequence: int) -> bool:
        """Tell whether the chain has consumed a number of the licence."""
        if self.licence is None:
            return False
        above = sequence - self.licence.base - 1
        return above < 0 or bool(self.licence.window >> above & 1)


@dataclass(frozen=True)
class Case:
    """The rows of one print to be: licence, printer, design and their owners, in line with the outbox.

    `sealed` is the data key as its owner sealed it to the printer, where a licence came with such keys;
    `passed_on` how many of the licence's prints were transferred, or are on their way.
    """

    licence: Licence
    printer: Printer
    design: Design
    revision: Revision
    owner: Organisation
    sealed: LicenceKey | None
    passed_on: int
    counts: Counts
    now: int
    quarantined: bool = False

    @property
    def chain_names(self) -> tuple[bytes, bytes | None]:
        """Give what the chain is asked about: licence and printer."""
        return self.licence.licence_hash, self.printer.printer_hash

    def same_as(self, other: Case) -> bool:
        """Tell whether every decision about this case is the one about the other; False where that is not
        known.
        """
        rows = ("licence", "printer", "design", "revision", "owner", "sealed", "counts")
        values = ("passed_on", "now", "quarantined")
        return all(getattr(self, name) is getattr(other, name) for name in rows) and all(
            getattr(self, name) == getattr(other, name) for name in values
        )

    @property
    def permission(self) -> Permission:
        """Give the licence as policy sees it."""
        chain, row = self.counts.licence, self.licence
        return Permission(
            state=row.state,
            starts_at=chain.starts_at if chain else row.starts_at,
            expires_at=chain.expires_at if chain else row.expires_at,
            listed=tuple(row.printers),
            terms=_terms(row.terms),
            on_chain=chain is not None,
            revoked_on_chain=chain is not None and chain.revoked,
            prints=min(chain.prints if chain else row.prints, row.prints - self.passed_on),
            credited=chain.credited if chain else 0,
            used=chain.used if chain else 0,
            base=chain.base if chain else 0,
            consumed=self.counts.consumed,
        )

    @property
    def part(self) -> Part:
        """Give what is to be printed as policy sees it."""
        return _part(self.design, self.revision)

    def reasons_at(self, sequence: int) -> list[Reason]:
        """Give every reason against the print as this number, which it holds."""
        reasons = list(self.reasons())
        if self.counts.counted(sequence):
            message = f"print number {sequence} is recorded already"
            reasons.append(Reason("sequence_used", message, "contract"))
        if sequence > self.permission.allowed:
            message = f"print number {sequence} is beyond the {self.permission.allowed} permitted"
            reasons.append(Reason("count_exhausted", message))
        return reasons

    def reasons(self) -> tuple[Reason, ...]:
        """Give every reason against the print, the count apart."""
        device = Device(
            id=self.printer.id,
            state=self.printer.state,
            retired_on_chain=self.counts.printer is not None and self.counts.printer.retired,
            machine=self.printer.machine,
            quarantined=self.quarantined,
            predecessor=self.printer.predecessor_id,
            successor=self.printer.successor_id,
        )
        return judge(Question(self.now, self.permission, device, self.part))

    def require_intact(self, domain: Domain) -> None:
        """Verify that the rows still say what was signed: manifest, licence, terms, and the printer's keys.

        1. The manifest is the one its owner published.
        2. The licence is what was signed, for this revision and on these terms.
        3. Provider and signing key are the printer's, and that key vouches for the sealing key.
        4. Licence and printer are on chain: rows that agree with each other alone prove nothing.
        5. Where the design's owner holds the key, it has sealed it to this printer, in its suite.

        Raises IntegrityBroken naming what differs.
        """
        # (1) the manifest
        manifest.require_intact(self.revision, address_of(self.owner))
        # (2) the licence
        statement = licences.statement_of(self.licence)
        if statement.struct_hash() != self.licence.licence_hash:
            raise _changed("licence", f"licence {self.licence.id} is not the one that was signed")
        if statement.revision != self.revision.revision_hash:
            raise _changed("licence", f"licence {self.licence.id} is for another revision")
        if statement.terms != terms_commitment(self.licence.terms_salt, self.licence.terms.encode()):
            raise _changed("terms", f"the terms of licence {self.licence.id} are not those that were signed")
        # (3) the printer's keys
        require_bound(domain, self.printer, statement.provider)
        # (4) the chain
        self._require_on_chain()
        # (5) the owner's seal
        if committed_custody(self.revision) == Custody.OWNER:
            self._require_sealed()

    def _require_on_chain(self) -> None:
        """(4) the very licence and printer of these rows, whatever became of the rows since the question."""
        counts = self.counts
        if counts.licence is None or counts.licence_hash != self.licence.licence_hash:
            raise _changed("licence", f"licence {self.licence.id} is not one that the chain knows")
        if counts.printer is None or counts.printer_hash != self.printer.printer_hash:
            raise _changed("printer", f"printer {self.printer.id} is not one that the chain knows")

    def _require_sealed(self) -> None:
        """(5) a seal there is, and one the printer's suite could open; only the printer can tell more."""
        if self.sealed is None or self.sealed.suite != self.printer.sealing_suite:
            raise _changed(
                "sealed_keys",
                f"licence {self.licence.id} has no key that its owner sealed to printer {self.printer.id}",
            )


@lru_cache(maxsize=512)
def _terms(text: str) -> Mapping[str, Any]:
    return MappingProxyType(json.loads(text))


def claim_of(row: Print, licence: Licence) -> PrintClaim:
    """Give the claim that redeems a print; it is the same whenever it is asked for."""
    return PrintClaim(
        licence=licence.licence_hash, sequence=row.sequence, token=row.token_sha256, deadline=row.deadline
    )


def ask_chain(services: Services, licence_hash: bytes, printer_hash: bytes | None) -> Counts:
    """Ask the chain what it counts; never within a transaction."""
    return ask_chain_of(services, [(licence_hash, printer_hash)])[licence_hash, printer_hash]


def ask_chain_of(
    services: Services, pairs: Collection[tuple[bytes, bytes | None]]
) -> dict[tuple[bytes, bytes | None], Counts]:
    """Ask the chain about many licences and printers at once; never within a transaction."""
    licences = list({licence for licence, _ in pairs})
    printers = list({printer for _, printer in pairs if printer})
    told = submission.ask(lambda: services.ledger.states(licences, printers))
    by_licence = dict(zip(licences, told[0], strict=True))
    by_printer: dict[bytes | None, PrinterState | None] = dict(zip(printers, told[1], strict=True))
    return {
        (licence, printer): Counts(by_licence[licence], by_printer.get(printer), licence, printer)
        for licence, printer in pairs
    }


def gather(services: Services, session: Session, licence: Licence, printer: Printer, counts: Counts) -> Case:
    """Read what belongs to the print and bring it in line with the outbox."""
    return gather_all(services, session, [(licence, printer, counts)])[0]


def gather_print(services: Services, session: Session, row: Print, counts: Counts) -> Case:
    """Read what belongs to an existing print."""
    return gather_prints(services, session, [(row, counts)])[0]


def gather_prints(services: Services, session: Session, prints: Sequence[tuple[Print, Counts]]) -> list[Case]:
    """Read what belongs to existing prints."""
    found_licences = _LICENCES.read(session, {row.licence_id for row, _ in prints})
    found_printers = _PRINTERS.read(session, {row.printer_id for row, _ in prints})
    for licence_id, licence in found_licences.items():
        if licence.state in _LICENCE_MOVING:
            found_licences[licence_id] = session.get_one(Licence, licence_id)
    for printer_id, printer in found_printers.items():
        if printer.state in _PRINTER_MOVING:
            found_printers[printer_id] = session.get_one(Printer, printer_id)
    held = [
        (found_licences[row.licence_id], found_printers[row.printer_id], counts) for row, counts in prints
    ]
    return gather_all(services, session, held)


def gather_all(
    services: Services, session: Session, held: Sequence[tuple[Licence, Printer, Counts]]
) -> list[Case]:
    """Read what belongs to many prints, each kind of row with one query."""
    for licence in {licence.id: licence for licence, _, _ in held}.values():
        if licence.state in _LICENCE_MOVING:
            licences.settle(session, licence)
    for printer in {printer.id: printer for _, printer, _ in held}.values():
        if printer.state in _PRINTER_MOVING:
            printers.settle(session, printer)
    revisions = _REVISIONS.read(session, {licence.revision_id for licence, _, _ in held})
    designs = _DESIGNS.read(session, {revision.design_id for revision in revisions.values()})
    owners = _OWNERS.read(session, {licence.owner_id for licence, _, _ in held})
    licence_ids = {licence.id for licence, _, _ in held}
    sealed = _sealed_keys(session, licence_ids)
    passed_on, now = _passed_on(session, licence_ids), submission.now(services, session)
    quarantined = standing.held(session, {printer.id for _, printer, _ in held})
    return [
        Case(
            licence=licence,
            printer=printer,
            design=designs[revisions[licence.revision_id].design_id],
            revision=revisions[licence.revision_id],
            owner=owners[licence.owner_id],
            sealed=sealed.get((licence.id, printer.id)),
            passed_on=passed_on.get(licence.id, 0),
            counts=counts,
            now=now,
            quarantined=printer.id in quarantined,
        )
        for licence, printer, counts in held
    ]


def _sealed_keys(session: Session, licence_ids: Collection[str]) -> dict[tuple[str, str], LicenceKey]:
    """Read the keys that licences came with, by licence and printer."""
    rows = _SEALED.rows(session.connection(), licences=list(licence_ids))
    return {
        (licence_id, printer_id): LicenceKey(
            licence_id=licence_id, printer_id=printer_id, suite=suite, blob=blob
        )
        for licence_id, printer_id, suite, blob in rows
    }


def rows_of(
    session: Session, model: type[_Row], ids: Collection[str], *, locked: bool = False
) -> dict[str, _Row]:
    """Read rows by their ids, in the ids' order where they are locked; NoResultFound where one is missing."""
    chosen = select(model).where(col(model.id).in_(ids))
    query = chosen.order_by(col(model.id)).with_for_update() if locked else chosen
    found = {row.id: row for row in session.exec(query).all()} if ids else {}
    if len(found) < len(ids):
        raise NoResultFound(f"{len(ids) - len(found)} of {len(ids)} rows of {model.__name__} are missing")
    return found


def _passed_on(session: Session, licence_ids: Collection[str]) -> dict[str, int]:
    """How many prints were transferred from each licence, or are on their way."""
    rows = _PASSED_ON.rows(session.connection(), licences=list(licence_ids))
    return {str(licence_id): int(prints) for licence_id, prints in rows}


def listed_hashes(session: Session, licence: Licence) -> list[bytes]:
    """Give the chain's names of the printers a licence lists.

    Raises IntegrityBroken where they are not the list that was signed.
    """
    return require_listed(licence, named_hashes(session, licence))


def named_hashes(session: Session, licence: Licence) -> list[bytes]:
    """Give the chain's names of the printers a licence's row lists, empty for one without; unverified."""
    query = select(Printer).where(col(Printer.id).in_(licence.printers))
    found = {row.id: row.printer_hash for row in session.exec(query).all()} if licence.printers else {}
    return [found.get(printer_id) or b"" for printer_id in licence.printers]


def require_listed(licence: Licence, hashes: list[bytes]) -> list[bytes]:
    """Give the names again; IntegrityBroken where they are not the list that was signed."""
    if b"" in hashes or printers_root(hashes) != licences.statement_of(licence).printers:
        raise _changed("printers", f"the printer list of licence {licence.id} is not the one that was signed")
    return hashes


def check_object(services: Services, revision: Revision) -> None:
    """Read the whole stored object; ObjectDamaged names what is wrong with it."""
    stored, _ = file_of(revision)
    services.vault.check(stored)


def _part(design: Design, revision: Revision) -> Part:
    seen, shredded = revision.inspection or {}, design.shredded_at is not None
    turns = seen["geometry"] is not None
    if turns:
        low, high = seen["geometry"]["bounds_mm"]
    else:
        low, high = ([place for place, _ in seen["toolpath"][end]] for end in ("low", "high"))
    size_mm = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
    return Part(revision.recipe, size_mm, shredded=shredded, turns=turns)


def _changed(field: str, detail: str) -> IntegrityBroken:
    return IntegrityBroken(
        detail, field=field, remedy="nothing was counted; restore the service's data, then authorise again"
    )
