"""The contract's rules once more, in Python, over its whole history: an independent count of every licence
and print.

Pure. Each event must be caused by a statement whose signatures are right, must have been allowed when it
happened, and together they must add up to the counters the contract shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache

from ledger.abi import (
    LicenceGranted,
    LicenceRevoked,
    OutcomeRecorded,
    PlateRecorded,
    PrinterEnrolled,
    PrinterRetired,
    PrintRecorded,
    PrintsTransferred,
    RevisionPublished,
)
from ledger.audit import Finding, History, Record
from ledger.chain import Log
from ledger.errors import LedgerError
from ledger.operations import (
    PLATE_PRINTS_MAX,
    Enrol,
    Grant,
    Operation,
    Publish,
    RecordOutcome,
    RecordPlate,
    RecordPrint,
    Retire,
    Revoke,
    Transfer,
)
from ledger.printer_list import printer_listed
from ledger.typed_data import (
    Enrolment,
    Licence,
    Result,
    Statement,
    TransferConsent,
    digest,
    recover_signer,
    transferred,
    verify_printer_signature,
)


@dataclass
class _Granted:
    """A licence as the events so far leave it."""

    licence: Licence
    revoked: bool = False
    credited: int = 0
    transferred: int = 0
    printed: dict[int, bytes] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)

    @property
    def allowed(self) -> int:
        """The highest number that may be printed."""
        return self.licence.prints - self.transferred + self.credited


class Ledger:
    """Replays the events of a history by the contract's rules. `findings` yields what breaks one."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._revisions: dict[bytes, str] = {}
        self._licences: dict[bytes, _Granted] = {}
        self._printers: dict[bytes, Enrolment] = {}
        self._providers: dict[bytes, str] = {}
        self._retired: set[bytes] = set()
        self._recent: deque[tuple[int, int, bytes, bytes, int]] = deque(maxlen=PLATE_PRINTS_MAX)

    def findings(self) -> Iterator[Finding]:
        """Judge every event in order, then the totals; run it once."""
        for record in self._history.records:
            if record.seen.fact is None:
                continue
            if record.operation is None:
                yield Finding(
                    record.name, "calldata", "the transaction shows no signed statement for this event"
                )
                continue
            for problem in self._signatures(record, record.operation):
                yield Finding(record.name, *problem)
            for problem in self._apply(record, record.operation):
                yield Finding(record.name, *problem)
        yield from self._totals()

    def _signatures(self, record: Record, operation: Operation) -> Iterator[tuple[str, str]]:
        message = digest(self._history.domain, operation.signed)
        device = _device(operation)
        if device is not None and not verify_printer_signature(message, *device[1:]):
            yield device[0], "is not by the printer's key"
        for voucher in vouchers_of(operation, self._providers):
            signed = digest(self._history.domain, voucher.statement)
            if not record.wallet and not signed_by(voucher.account, signed, voucher.signature):
                yield voucher.field, f"is not {voucher.account}'s"

    def _apply(self, record: Record, operation: Operation) -> Iterator[tuple[str, str]]:
        match record.seen.event, operation:
            case RevisionPublished() as event, Publish(publication):
                self._revisions[event.revision] = publication.owner
                yield from _same(event, {"owner": publication.owner, "commitment": publication.commitment})
            case LicenceGranted() as event, Grant(licence):
                members = [item.name for item in fields(licence) if item.name != "owner"]
                yield from _same(event, {name: getattr(licence, name) for name in members})
                if self._revisions.get(licence.revision) != licence.owner:
                    yield "revision", "was not published by the licence's owner before"
                self._licences.setdefault(event.licence, _Granted(licence))
            case PrintsTransferred() as event, Transfer():
                yield from self._transfer(event, operation, record.seen.block_time)
            case LicenceRevoked() as event, Revoke():
                granted = self._licences.get(event.licence)
                if granted is None or granted.revoked:
                    yield "licence", "was not in force when it was revoked"
                else:
                    granted.revoked = True
            case _:
                yield from self._apply_to_printer(record, operation)

    def _apply_to_printer(self, record: Record, operation: Operation) -> Iterator[tuple[str, str]]:
        match record.seen.event, operation:
            case PrinterEnrolled() as event, Enrol(enrolment):
                self._printers[event.printer] = enrolment
                self._providers[event.printer] = enrolment.provider
                yield from _same(event, {"key_x": enrolment.key_x, "key_y": enrolment.key_y})
            case PrinterRetired() as event, Retire():
                self._retired.add(event.printer)
            case PrintRecorded() as event, RecordPrint():
                log = record.seen.log
                place = (log.block_number, log.index, event.printer, event.licence, event.sequence)
                self._recent.append(place)
                yield from self._print(event, operation, record.seen.block_time)
            case PlateRecorded() as event, RecordPlate():
                yield from self._plate(event, operation, record.seen.log)
            case OutcomeRecorded() as event, RecordOutcome():
                yield from self._outcome(event, operation)
            case _:
                yield "calldata", "holds another kind of statement than the event"

    def _transfer(
        self, event: PrintsTransferred, operation: Transfer, time: int
    ) -> Iterator[tuple[str, str]]:
        made = transferred(operation.origin, operation.transfer)
        yield from _same(event, {"licence": made.struct_hash()})
        source = self._licences.get(event.origin)
        if source is None:
            yield "origin", "was not granted when prints of it were transferred"
            return
        if source.revoked or time >= source.licence.expires_at:
            yield "origin", "was not in force when prints of it were transferred"
        if not 0 < event.prints <= source.allowed - max(source.printed, default=0):
            yield "prints", f"{event.prints} were not left above the highest number printed"
        source.transferred += event.prints
        self._licences.setdefault(event.licence, _Granted(made))

    def _print(self, event: PrintRecorded, operation: RecordPrint, time: int) -> Iterator[tuple[str, str]]:
        granted = self._licences.get(event.licence)
        if granted is None:
            yield "licence", "was not granted when it was printed"
            return
        licence = granted.licence
        if granted.revoked:
            yield "licence", "was revoked when it was printed"
        if not licence.starts_at <= time < licence.expires_at:
            yield "block_time", f"{time} is outside the licence's window"
        if time > operation.claim.deadline:
            yield "deadline", f"{operation.claim.deadline} was over at {time}"
        if event.sequence in granted.printed or event.sequence == 0:
            yield "sequence", f"{event.sequence} is used twice"
        if event.sequence > granted.allowed:
            yield "sequence", f"{event.sequence} is beyond the count"
        yield from self._printer(event.printer, licence, operation)
        granted.printed[event.sequence] = event.printer

    def _plate(self, event: PlateRecorded, operation: RecordPlate, log: Log) -> Iterator[tuple[str, str]]:
        """Each print of a plate is judged at its own event; here, that all of them are there, before it."""
        first = operation.log_index_of(0, log.index)
        for part, claim in enumerate(operation.claims):
            place = (log.block_number, first + part, event.printer, claim.licence, claim.sequence)
            if place not in self._recent:
                yield "plate", f"the event of its print {part} is not where it belongs"

    def _printer(self, printer: bytes, licence: Licence, operation: RecordPrint) -> Iterator[tuple[str, str]]:
        derived = _identifier(licence.provider, operation.key_x, operation.key_y)
        if derived != printer:
            yield "printer", "is not the one whose key signed, under the licence's provider"
        if printer not in self._printers:
            yield "printer", "was not enrolled when it printed"
        if printer in self._retired:
            yield "printer", "was retired when it printed"
        if licence.printers != bytes(32) and not printer_listed(printer, operation.proof, licence.printers):
            yield "proof", "does not show that the licence lists the printer"

    def _outcome(self, event: OutcomeRecorded, operation: RecordOutcome) -> Iterator[tuple[str, str]]:
        granted = self._licences.get(event.licence)
        if granted is None or event.sequence not in granted.printed:
            yield "sequence", "was not printed when its outcome came"
            return
        if event.sequence in granted.reported:
            yield "sequence", "has two outcomes"
        granted.reported.add(event.sequence)
        derived = _identifier(granted.licence.provider, operation.key_x, operation.key_y)
        if derived != event.printer:
            yield "printer", "is not the one whose key signed, under the licence's provider"
        credit = event.result == Result.FAILED and granted.credited < granted.licence.reprints
        if credit != event.credited:
            yield "credited", f"should be {credit}"
        granted.credited += credit

    def _totals(self) -> Iterator[Finding]:
        """Compare the events with the contract's counters: an event withheld or made up shows here."""
        for licence, counted in self._history.counters.items():
            name = f"chain licence 0x{licence.hex()}"
            granted = self._licences.get(licence)
            if granted is None:
                yield Finding(name, "licence", "the contract knows it, but no event grants it")
                continue
            expected = {
                "provider": granted.licence.provider,
                "starts_at": granted.licence.starts_at,
                "expires_at": granted.licence.expires_at,
                "prints": granted.licence.prints - granted.transferred,
                "reprints": granted.licence.reprints,
                "credited": granted.credited,
                "used": len(granted.printed),
                "revoked": granted.revoked,
                "printers": granted.licence.printers,
            }
            for field_name, value in expected.items():
                shown = getattr(counted, field_name)
                if shown != value:
                    yield Finding(name, field_name, f"the contract shows {shown}, its events make {value}")
        for licence, numbers in self._history.reported.items():
            granted = self._licences.get(licence)
            told = set() if granted is None else granted.reported
            name = f"chain licence 0x{licence.hex()}"
            for sequence in sorted(numbers - told):
                yield Finding(name, "outcomes", f"the contract has one of print {sequence}, no event tells")
            for sequence in sorted(told - numbers):
                yield Finding(
                    name, "outcomes", f"an event tells one of print {sequence}, the contract has none"
                )
        for printer, retired in self._history.retired.items():
            if retired != (printer in self._retired):
                yield Finding(f"chain printer 0x{printer.hex()}", "retired", "differs from its events")


@lru_cache(maxsize=1024)
def _identifier(provider: str, key_x: bytes, key_y: bytes) -> bytes:
    """Return the identifier of the printer with a key under a provider."""
    return Enrolment(provider, key_x, key_y).struct_hash()


def signed_by(account: str, message: bytes, signature: bytes) -> bool:
    """Return whether a signature over 32 bytes is by an account's own key; a wallet contract's is not."""
    try:
        return recover_signer(message, signature) == account
    except LedgerError:
        return False


@dataclass(frozen=True)
class Voucher:
    """A signature in an operation that an account must have made over a statement."""

    field: str
    account: str
    statement: Statement
    signature: bytes


def vouchers_of(operation: Operation, enrolled: Mapping[bytes, str]) -> list[Voucher]:
    """Return the signatures of accounts in an operation, none where a printer alone signs.

    `enrolled` gives each printer's provider; the account is empty where it names none.
    """
    statement = operation.statement
    match operation:
        case Publish(publication, signature):
            return [Voucher("signature", publication.owner, statement, signature)]
        case Grant(licence, signature) | Revoke(licence, signature):
            return [Voucher("signature", licence.owner, statement, signature)]
        case Transfer(origin, transfer, signature, owner_signature):
            consent = TransferConsent(transfer.licence)
            return [
                Voucher("signature", origin.provider, statement, signature),
                Voucher("owner_signature", origin.owner, consent, owner_signature),
            ]
        case Enrol(enrolment, signature):
            return [Voucher("provider_signature", enrolment.provider, statement, signature)]
        case Retire(retirement, signature):
            return [Voucher("signature", enrolled.get(retirement.printer, ""), statement, signature)]
        case RecordPrint() | RecordPlate() | RecordOutcome():
            return []


def _device(operation: Operation) -> tuple[str, bytes, bytes, bytes] | None:
    """Return where a printer's signature stands in an operation, its key and the signature itself."""
    match operation:
        case Enrol(enrolment, _, signature):
            return "printer_signature", enrolment.key_x, enrolment.key_y, signature
        case RecordPrint() | RecordPlate() | RecordOutcome():
            return "signature", operation.key_x, operation.key_y, operation.signature
        case _:
            return None


def _same(event: object, expected: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in expected.items():
        if getattr(event, name) != value:
            yield name, "differs from the signed statement"
