"""What holds the statements behind one print together: each names the ones it rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.abi import Event
from ledger.audit import Finding
from ledger.operations import Enrol, Grant, Operation, Publish, RecordOutcome, RecordPrint, Transfer
from ledger.printer_list import printer_listed
from ledger.receipt_proof import ProvenLog, ReceiptProof
from ledger.typed_data import Licence, transferred

_AFTER = (
    ("publish", "grant"),
    ("grant", "transfer"),
    ("grant", "record_print"),
    ("enrol", "record_print"),
    ("record_print", "record_outcome"),
)


@dataclass(frozen=True)
class Step:
    """A statement of the print: what was signed, the log that is proven for it, and the event in it."""

    name: str
    operation: Operation
    proof: ReceiptProof
    shown: ProvenLog
    event: Event | None

    @property
    def place(self) -> tuple[int, int, int]:
        """Where the event stands on the chain: block, transaction, log."""
        return self.shown.block.number, self.proof.transaction_index, self.proof.log


def licence_of(steps: Sequence[Step]) -> Licence | None:
    """Return the licence that was printed: as granted, or as transferred."""
    found: Licence | None = None
    for step in steps:
        match step.operation:
            case Grant(licence):
                found = licence
            case Transfer(origin, transfer):
                found = transferred(origin, transfer)
            case _:
                pass
    return found


def order(steps: Sequence[Step]) -> Iterator[Finding]:
    """Yield where the rows are not publication, grant, transfers, enrolment, print, outcome, in the order of
    the chain.
    """
    kinds = [step.operation.kind for step in steps]
    transfers = [kind for kind in kinds if kind == "transfer"]
    wanted = ["publish", "grant", *transfers, "enrol", "record_print"]
    if kinds not in (wanted, [*wanted, "record_outcome"]):
        problem = f"are {', '.join(kinds) or 'none'}: not those of one print, each once and in order"
        yield Finding("bundle", "operations", problem)
    places = {step.operation.kind: step.place for step in steps}
    for first, then in _AFTER:
        if first in places and then in places and places[first] >= places[then]:
            yield Finding("bundle", "operations", f"{then} is not after {first} on the chain")


def links(steps: Sequence[Step]) -> Iterator[Finding]:
    """Yield the links between statements that do not hold.

    1. The licence is for the revision published, of its owner; a transfer is of the licence before it.
    2. The printer is enrolled with the provider of the licence that was printed.
    3. The claim is on this licence by this printer, on the licence's list where it has one, in its window and
       its deadline, within its count.
    4. The outcome is of this print by this printer.
    """
    yield from _licensed(steps)
    yield from _used(steps)


def _licensed(steps: Sequence[Step]) -> Iterator[Finding]:
    licence: Licence | None = None
    published: Publish | None = None
    for step in steps:
        match step.operation:
            case Publish() as operation:
                published = operation
            case Grant(licence):
                yield from _granted(step, licence, published)
            case Transfer(origin, transfer):
                if licence is not None and origin != licence:
                    yield Finding(step.name, "operation.origin", "is not the licence of the row before")
                licence = transferred(origin, transfer)
            case _:
                pass


def _used(steps: Sequence[Step]) -> Iterator[Finding]:
    licence = licence_of(steps)
    enrolled: Enrol | None = None
    claimed: RecordPrint | None = None
    for step in steps:
        match step.operation:
            case Enrol() as enrolled:
                if licence is not None and enrolled.enrolment.provider != licence.provider:
                    problem = "is not the licence's provider"
                    yield Finding(step.name, "operation.enrolment.provider", problem)
            case RecordPrint() as claimed:
                yield from _printer(step, claimed, enrolled)
                if licence is not None:
                    yield from _counted(step, claimed, licence)
            case RecordOutcome() as outcome if claimed is not None:
                yield from _reported(step, outcome, claimed)
            case _:
                pass


def _granted(step: Step, licence: Licence, published: Publish | None) -> Iterator[Finding]:
    if published is None:
        return
    if licence.revision != published.publication.struct_hash():
        yield Finding(step.name, "operation.licence.revision", "is not the revision published")
    if licence.owner != published.publication.owner:
        yield Finding(step.name, "operation.licence.owner", "did not publish the revision")


def _printer(step: Step, operation: RecordPrint, enrolled: Enrol | None) -> Iterator[Finding]:
    if enrolled is None:
        return
    for name in ("key_x", "key_y"):
        if getattr(operation, name) != getattr(enrolled.enrolment, name):
            yield Finding(step.name, f"operation.{name}", "is not the enrolled printer's")
    if getattr(step.event, "printer", None) != enrolled.enrolment.struct_hash():
        yield Finding(step.name, "receipt", "proves another printer's print")


def _counted(step: Step, operation: RecordPrint, licence: Licence) -> Iterator[Finding]:
    claim, time = operation.claim, step.shown.block.time
    if claim.licence != licence.struct_hash():
        yield Finding(step.name, "operation.claim.licence", "is not the licence granted")
    if time > claim.deadline:
        yield Finding(step.name, "operation.claim.deadline", f"was over at {time}")
    if not licence.starts_at <= time < licence.expires_at:
        yield Finding(step.name, "receipt.time", f"{time} is outside the licence's window")
    if not 0 < claim.sequence <= licence.prints + licence.reprints:
        problem = "is beyond what the licence can ever permit"
        yield Finding(step.name, "operation.claim.sequence", problem)
    if licence.printers == bytes(32):
        listed = not operation.proof
    else:
        printer = getattr(step.event, "printer", b"")
        listed = printer_listed(printer, operation.proof, licence.printers)
    if not listed:
        problem = "is not what shows that the licence permits the printer"
        yield Finding(step.name, "operation.proof", problem)


def _reported(step: Step, outcome: RecordOutcome, claimed: RecordPrint) -> Iterator[Finding]:
    same = {
        "licence": claimed.claim.licence,
        "sequence": claimed.claim.sequence,
        "key_x": claimed.key_x,
        "key_y": claimed.key_y,
    }
    for name, value in same.items():
        if getattr(outcome, name) != value:
            yield Finding(step.name, f"operation.{name}", "is another than the print's")
