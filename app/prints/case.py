"""Everything a decision about a print depends on, gathered from the rows and from the chain."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlmodel import Session, col, select

from app import submission
from app.accounts.signing import address_of
from app.auth.standing import open_quarantine
from app.designs import manifest
from app.designs.custody import Custody, committed_custody
from app.designs.stored import file_of
from app.errors import IntegrityBroken, Reason
from app.licences import queries as licence_queries
from app.licences import service as licences
from app.models import Design, Licence, LicenceKey, Organisation, Print, Printer, Revision
from app.printers import service as printers
from app.printers.binding import require_bound
from app.prints.policy import SEQUENCE_WINDOW, Device, Part, Permission, Question, judge
from app.wiring import Services
from ledger import runtime
from ledger.commitment import terms_commitment
from ledger.typed_data import Domain, PrintClaim, printers_root


@dataclass(frozen=True)
class Counts:
    """What the chain says of licence and printer, asked before any transaction is opened.

    The hashes are the names that the chain was asked for.
    """

    licence: runtime.LicenceState | None
    printer: runtime.PrinterState | None
    licence_hash: bytes | None = None
    printer_hash: bytes | None = None

    @property
    def consumed(self) -> frozenset[int]:
        """Give the numbers above the base that are used."""
        state = self.licence
        if state is None:
            return frozenset()
        return frozenset(state.base + 1 + bit for bit in range(SEQUENCE_WINDOW) if state.window >> bit & 1)

    def counted(self, sequence: int) -> bool:
        """Tell whether the chain has consumed a number of the licence."""
        return self.licence is not None and (sequence <= self.licence.base or sequence in self.consumed)


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
    def permission(self) -> Permission:
        """Give the licence as policy sees it."""
        chain, row = self.counts.licence, self.licence
        return Permission(
            state=row.state,
            starts_at=chain.starts_at if chain else row.starts_at,
            expires_at=chain.expires_at if chain else row.expires_at,
            listed=tuple(row.printers),
            terms=json.loads(row.terms),
            on_chain=chain is not None,
            revoked_on_chain=chain is not None and chain.revoked,
            prints=min(chain.prints if chain else row.prints, row.prints - self.passed_on),
            credited=chain.credited if chain else 0,
            used=chain.used if chain else 0,
            base=chain.base if chain else 0,
            consumed=self.counts.consumed,
        )

    def reasons(self) -> tuple[Reason, ...]:
        """Give every reason against the print, the count apart."""
        device = Device(
            id=self.printer.id,
            state=self.printer.state,
            retired_on_chain=self.counts.printer is not None and self.counts.printer.retired,
            machine=self.printer.machine,
            quarantined=self.quarantined,
        )
        return judge(Question(self.now, self.permission, device, _part(self.design, self.revision)))

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


def claim_of(row: Print, licence: Licence) -> PrintClaim:
    """Give the claim that redeems a print; it is the same whenever it is asked for."""
    return PrintClaim(
        licence=licence.licence_hash, sequence=row.sequence, token=row.token_sha256, deadline=row.deadline
    )


def ask_chain(services: Services, licence_hash: bytes, printer_hash: bytes | None) -> Counts:
    """Ask the chain what it counts; never within a transaction."""
    ledger = services.ledger
    printer = submission.ask(lambda: ledger.printer_state(printer_hash)) if printer_hash else None
    licence = submission.ask(lambda: ledger.licence_state(licence_hash))
    return Counts(licence, printer, licence_hash, printer_hash)


def gather(services: Services, session: Session, licence: Licence, printer: Printer, counts: Counts) -> Case:
    """Read what belongs to the print and bring it in line with the outbox."""
    licences.settle(session, licence)
    printers.settle(session, printer)
    revision = session.get_one(Revision, licence.revision_id)
    design = session.get_one(Design, revision.design_id)
    owner = session.get_one(Organisation, licence.owner_id)
    sealed = session.get(LicenceKey, (licence.id, printer.id))
    passed_on, now = licence_queries.passed_on(session, licence.id), submission.now(services, session)
    held = open_quarantine(session, printer.id) is not None
    return Case(licence, printer, design, revision, owner, sealed, passed_on, counts, now, held)


def gather_print(services: Services, session: Session, row: Print, counts: Counts) -> Case:
    """Read what belongs to an existing print."""
    licence, printer = session.get_one(Licence, row.licence_id), session.get_one(Printer, row.printer_id)
    return gather(services, session, licence, printer, counts)


def listed_hashes(session: Session, licence: Licence) -> list[bytes]:
    """Give the chain's names of the printers a licence lists.

    Raises IntegrityBroken where they are not the list that was signed.
    """
    query = select(Printer).where(col(Printer.id).in_(licence.printers))
    found = {row.id: row.printer_hash for row in session.exec(query).all()} if licence.printers else {}
    hashes = [found.get(printer_id) or b"" for printer_id in licence.printers]
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
