"""The certificate of one print, `partvault/certificate/v1`: who licensed, who printed, what came of it.

Whoever has the file verifies it without the service (docs/formats/certificate.md). It opens the printer's
report and nothing else: the manifest stays a commitment, so neither file nor geometry can be told from it.
Each member follows from a signature, a proof or a commitment; there is none that only its writer vouches for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.evidence import EvidenceError, outline
from ledger.operations import Enrol, RecordOutcome, RecordPrint
from ledger.print_evidence import ProvenOperation
from ledger.print_links import Step, licence_of
from ledger.print_report import PrintReport
from ledger.typed_data import Domain, Licence, PrintClaim, PrintOutcome, print_id

FORMAT: Final = "partvault/certificate/v1"
MEMBERS: Final = ("format", "chain_id", "contract", "print", "operations", "report", "report_salt")
BYTES_MAX: Final = 512 * 1024
OPERATIONS_MAX: Final = 64
_DEPTH_MAX: Final = 16


@dataclass(frozen=True)
class Block:
    """Where the chain recorded something: the block's number, its hash and its time in Unix seconds."""

    number: int
    hash: bytes
    time: int


@dataclass(frozen=True)
class Certified:
    """What a certificate says, once it is verified.

    print, licence, printer: their names on chain; sequence: the print's number in the licence
    counted, reported: the blocks of the print and of its outcome; result: the outcome's
    """

    print: bytes
    licence_hash: bytes
    licence: Licence
    printer: bytes
    sequence: int
    counted: Block
    reported: Block
    result: int
    report: PrintReport

    @property
    def place(self) -> str:
        """Which of the licensed prints it is, in words; one beyond them was credited for one that failed."""
        beyond = ", with credited reprints" if self.sequence > self.licence.prints else ""
        return f"{self.sequence} of {self.licence.prints} licensed{beyond}"


def assemble(
    domain: Domain, operations: Sequence[ProvenOperation], report: Mapping[str, Any], salt: bytes
) -> dict[str, Any]:
    """Return the certificate of a print; the same print has the same certificate whenever it is made.

    `operations` are the publication, the grant, transfers if the licence came by them, the enrolment, the
    print and its outcome; `report` and `salt` (32 bytes) open what the outcome commits to.
    """
    (outcome,) = (each.operation for each in operations if isinstance(each.operation, RecordOutcome))
    return {
        "format": FORMAT,
        "chain_id": domain.chain_id,
        "contract": domain.contract,
        "print": "0x" + print_id(outcome.licence, outcome.sequence).hex(),
        "operations": [operation.to_json() for operation in operations],
        "report": dict(report),
        "report_salt": "0x" + salt.hex(),
    }


def parse(text: str | bytes) -> dict[str, Any]:
    """Read a certificate as far as its outline; EvidenceError names the part that is not in this format.

    What it says is for `ledger.certificate_audit` to judge.
    """
    if len(text) > BYTES_MAX:
        raise EvidenceError("file", f"has more than {BYTES_MAX} bytes")
    data = outline(text, FORMAT, MEMBERS)
    rows = data["operations"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EvidenceError("operations", "must be a list of objects")
    if len(rows) > OPERATIONS_MAX:
        raise EvidenceError("operations", f"are more than {OPERATIONS_MAX}")
    if not isinstance(data["report"], dict):
        raise EvidenceError("report", "must be an object")
    if _deep(data):
        raise EvidenceError("file", f"is nested more than {_DEPTH_MAX} deep")
    return data


def certified(steps: Sequence[Step], report: PrintReport) -> Certified | None:
    """Return what a certificate says, from its proven statements; None where one of them is missing."""
    licence, shown = licence_of(steps), {step.operation.kind: step for step in steps}
    claimed, enrolled, ended = (
        shown.get(kind) for kind in (RecordPrint.kind, Enrol.kind, RecordOutcome.kind)
    )
    if licence is None or claimed is None or enrolled is None or ended is None:
        return None
    claim, enrolment = claimed.operation.statement, enrolled.operation.statement
    outcome = ended.operation.statement
    if not isinstance(claim, PrintClaim) or not isinstance(outcome, PrintOutcome):
        raise TypeError("a row of evidence has another statement than its kind has")
    return Certified(
        print=print_id(claim.licence, claim.sequence),
        licence_hash=claim.licence,
        licence=licence,
        printer=enrolment.struct_hash(),
        sequence=claim.sequence,
        counted=_block(claimed),
        reported=_block(ended),
        result=outcome.result,
        report=report,
    )


def _block(step: Step) -> Block:
    block = step.shown.block
    return Block(block.number, block.hash, block.time)


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH_MAX):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [found for each in inner for found in each if isinstance(found, dict | list)]
    return bool(level)
