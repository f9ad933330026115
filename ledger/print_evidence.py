"""Evidence of one print: every statement it rests on, each with the proof that its event is in a block.

Format `partvault/print-evidence/v1` (docs/formats/evidence.md). Nobody's word is needed for what it says:
`ledger.print_audit` verifies the file alone, and given a node, that its blocks are the chain's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from eth_hash.auto import keccak
from sqlalchemy import Connection, RowMapping, select

from ledger import tables
from ledger.chain import ChainError
from ledger.errors import TypedDataError
from ledger.evidence import EvidenceError, digest_of, outline
from ledger.operations import Operation, RecordPlate, from_json
from ledger.outbox import operation_in
from ledger.receipt_proof import Node, ReceiptProof, prove
from ledger.typed_data import Domain

FORMAT: Final = "partvault/print-evidence/v1"
MEMBERS: Final = (
    "format",
    "chain_id",
    "contract",
    "generated_at",
    "operations",
    "openings",
    "digest",
)
_BESIDE: Final = {
    "outcome": ("outcome", "licence", "sequence"),
    "transfer": ("transfer", "origin"),
    "plate": ("plate", "claim"),
}
Subject = Literal["manifest", "terms", "report"]


@dataclass(frozen=True)
class Disclosure:
    """What opens a commitment that the print rests on: of the manifest, the terms or the report."""

    of: Subject
    salt: bytes
    content: str

    def to_json(self) -> dict[str, str]:
        """Return the disclosure as evidence holds it."""
        return {"of": self.of, "salt": "0x" + self.salt.hex(), "content": self.content}


@dataclass(frozen=True)
class ProvenOperation:
    """A signed operation that the chain carried out, and the proof of its event."""

    operation: Operation
    proof: ReceiptProof

    def to_json(self) -> dict[str, Any]:
        """Return the operation as evidence holds it."""
        return {"operation": self.operation.to_json(), "receipt": self.proof.to_json()}


@dataclass(frozen=True)
class PlatePrint:
    """One print of a plate: the plate's operation, and the print's place on it from zero."""

    operation_id: str
    part: int


def prove_operations(
    connection: Connection, node: Node, wanted: Sequence[str | PlatePrint]
) -> list[ProvenOperation]:
    """Return operations of the outbox, by their identifiers, with their proofs, in the order named.

    Raises EvidenceError where one is not confirmed, ChainError where the node cannot prove it.
    """
    parts = [each if isinstance(each, PlatePrint) else PlatePrint(each, 0) for each in wanted]
    names = [each.operation_id for each in parts]
    chosen = select(tables.operations).where(tables.operations.c.operation_id.in_(names))
    rows: dict[str, RowMapping] = {row["operation_id"]: row for row in connection.execute(chosen).mappings()}
    found = []
    for each in parts:
        row = rows.get(each.operation_id)
        if row is None or row["state"] != "confirmed":
            raise EvidenceError("operations", f"{each.operation_id} is not confirmed")
        operation, log_index = _recorded(row, each.part)
        proof = prove(node, row["block_number"], log_index)
        if keccak(proof.header) != row["block_hash"]:
            block = row["block_number"]
            raise ChainError(f"the node has another block {block} than the one of {each.operation_id}")
        found.append(ProvenOperation(operation, proof))
    return found


def _recorded(row: RowMapping, part: int) -> tuple[Operation, int]:
    """Return what an operation's row stands for, of a plate one print, and where its event is."""
    operation, log_index = operation_in(row["body"]), int(row["log_index"])
    if not isinstance(operation, RecordPlate):
        return operation, log_index
    return operation.prints()[part], operation.log_index_of(part, log_index)


def assemble(
    domain: Domain,
    operations: Sequence[ProvenOperation],
    *,
    generated_at: str,
    openings: Sequence[Disclosure] = (),
) -> dict[str, Any]:
    """Return the evidence of a print.

    `operations` are the publication, the grant, transfers if the licence came by them, the enrolment, the
    print and its outcome if it has one, in this order; `generated_at` is RFC 3339 UTC.
    """
    evidence = {
        "format": FORMAT,
        "chain_id": domain.chain_id,
        "contract": domain.contract,
        "generated_at": generated_at,
        "operations": [operation.to_json() for operation in operations],
        "openings": [opening.to_json() for opening in openings],
    }
    return evidence | {"digest": digest_of(evidence)}


def parse(text: str | bytes) -> dict[str, Any]:
    """Read such a file as far as its outline; EvidenceError names the part that is not in this format.

    What the operations hold is for `ledger.print_audit` to judge.
    """
    data = outline(text, FORMAT, MEMBERS)
    for name in ("operations", "openings"):
        rows = data[name]
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise EvidenceError(name, "must be a list of objects")
    return data


def read_row(row: Mapping[str, Any]) -> ProvenOperation:
    """Return the operation and the proof that a row of `operations` holds, in this format's spelling alone.

    EvidenceError names the member at fault.
    """
    for name in sorted({"operation", "receipt"} ^ {*row}):
        raise EvidenceError(name, "is missing or does not belong here")
    try:
        operation = from_json(row["operation"])
    except TypedDataError as problem:
        raise EvidenceError(_places(row["operation"], problem.field), str(problem)) from problem
    for name, value in operation.to_json().items():
        if value != row["operation"][name]:
            raise EvidenceError(f"operation.{name}", "is not spelled as this format does")
    try:
        return ProvenOperation(operation, ReceiptProof.from_json(row["receipt"]))
    except EvidenceError as problem:
        parts = ", ".join(f"receipt.{part}" for part in problem.field.split(", "))
        raise EvidenceError(parts, str(problem)) from problem


def _places(document: object, field: str) -> str:
    """Return where in an operation the member at fault stands: by itself, or within a statement; a statement
    that contradicts members beside it is named with them.
    """
    names = _BESIDE.get(field, (field,))
    if isinstance(document, Mapping) and field not in document:
        inner = [name for name, value in document.items() if isinstance(value, Mapping) and field in value]
        names = tuple(f"{name}.{field}" for name in inner) or names
    return ", ".join(f"operation.{name}" for name in names)
