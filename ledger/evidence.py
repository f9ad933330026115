"""Evidence: everything signed about some licences, with receipts, in one JSON file that outlives the service.

Format `partvault/evidence/v1`. Rows stand in the order of the chain; `digest` is SHA-256 over the RFC 8785
form of the rest, so that a slip anywhere shows. What the rows say is proved by the chain alone: see
`ledger.audit`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select

from ledger import tables
from ledger.commitment import canonical_json
from ledger.errors import LedgerError
from ledger.evidence_scope import reach_of, within
from ledger.identity import ChainIdentity
from ledger.operations import (
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
from ledger.outbox import operation_in

FORMAT: Final = "partvault/evidence/v1"
SECTIONS: Final = (
    "publications",
    "licences",
    "transfers",
    "revocations",
    "printers",
    "retirements",
    "prints",
    "outcomes",
)
_HEADER: Final = (
    "format",
    "chain_id",
    "contract",
    "code_hash",
    "generated_at",
    "head",
    "subjects",
    "openings",
    "digest",
)


class EvidenceError(LedgerError):
    """A file is not evidence in this format; `field` is the part at fault."""

    kind = "evidence_invalid"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


@dataclass(frozen=True)
class Opening:
    """What opens a commitment on chain: its salt and the manifest committed to."""

    commitment: bytes
    salt: bytes
    manifest: str

    def to_json(self) -> dict[str, str]:
        """Return the opening as evidence holds it."""
        return {
            "commitment": _hex(self.commitment),
            "salt": _hex(self.salt),
            "manifest": self.manifest,
        }


def document_of(
    operation: Operation, printer: bytes | None, receipt: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the section and the row that a recorded operation has in evidence.

    `printer` is the printer that its event names, for prints and outcomes.
    """
    body = operation.to_json()
    device = {"printer": _hex(printer or b"")}
    match operation:
        case Publish():
            section, row = "publications", _only(body, "publication", "signature")
        case Grant():
            section, row = "licences", _only(body, "licence", "signature")
        case Revoke():
            section = "revocations"
            row = {"revocation": operation.statement.to_json(), "signature": body["signature"]}
        case Transfer():
            members = ("origin", "transfer", "signature", "owner_signature")
            section, row = "transfers", _only(body, *members)
        case Enrol():
            section, row = "printers", _only(body, "enrolment", "provider_signature", "printer_signature")
        case Retire():
            section, row = "retirements", _only(body, "retirement", "signature")
        case RecordPrint():
            section = "prints"
            row = device | _only(body, *(name for name in body if name != "kind"))
        case RecordPlate():
            section, row = "plates", _only(body, "claims", "key_x", "key_y", "signature", "proofs")
        case RecordOutcome():
            section = "outcomes"
            row = device | _only(body, "outcome", "licence", "sequence", "key_x", "key_y", "signature")
    return section, row | {"receipt": dict(receipt)}


def build(
    connection: Connection,
    identity: ChainIdentity,
    *,
    generated_at: str,
    licences: Collection[bytes] | None = None,
    openings: Sequence[Opening] = (),
) -> dict[str, Any]:
    """Return the evidence about some licences (None: all), from what the index holds as final.

    It holds the licences, the publications they rest on, their prints, outcomes and revocations, transfers
    to them and away from them, and the printers that printed. `generated_at` is RFC 3339 UTC. Openings are
    the caller's, for the publications it may disclose.
    """
    rows = _rows(connection, licences)
    told = [each for row in rows for each in _told(row)]
    reaches = [reach_of(operation, printer) for operation, printer, _ in told]
    known = {reach.makes for reach in reaches if reach.makes is not None}
    subjects = known if licences is None else known & frozenset(licences)
    sections: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
    for statement, wanted in zip(told, within(reaches, subjects), strict=True):
        if wanted:
            section, document = document_of(*statement)
            sections[section].append(document)
    evidence = {
        "format": FORMAT,
        "chain_id": identity.chain_id,
        "contract": identity.contract,
        "code_hash": _hex(identity.code_hash or b""),
        "generated_at": generated_at,
        "head": _head(connection),
        "subjects": sorted(_hex(licence) for licence in subjects),
        **sections,
        "openings": [opening.to_json() for opening in openings],
    }
    return evidence | {"digest": digest_of(evidence)}


def digest_of(evidence: Mapping[str, Any]) -> str:
    """Return SHA-256 over the canonical form of evidence without its own digest, 0x-hex."""
    rest = {key: value for key, value in evidence.items() if key != "digest"}
    return "0x" + hashlib.sha256(canonical_json(rest)).hexdigest()


def outline(text: str | bytes, named: str, members: Sequence[str]) -> dict[str, Any]:
    """Read JSON of the format `named` with exactly these members; EvidenceError names what is not so."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise EvidenceError("file", f"is not JSON: {problem}") from problem
    if not isinstance(data, dict):
        raise EvidenceError("file", "is not a JSON object")
    if data.get("format") != named:
        raise EvidenceError("format", f"is {data.get('format')!r:.60}, not {named}")
    if strange := [name for name in data if name not in members]:
        raise EvidenceError(strange[0], "is no part of this format")
    if missing := [name for name in members if name not in data]:
        raise EvidenceError(missing[0], "is missing")
    return data


def parse(text: str | bytes) -> dict[str, Any]:
    """Read an evidence file as far as its outline; EvidenceError names the part that is not in this format.

    What the rows hold is for the audit to judge.
    """
    data = outline(text, FORMAT, (*_HEADER, *SECTIONS))
    if not isinstance(data["head"], dict):
        raise EvidenceError("head", "must be an object")
    if not isinstance(data["subjects"], list):
        raise EvidenceError("subjects", "must be a list")
    for name in (*SECTIONS, "openings"):
        if not _is_table(data[name]):
            raise EvidenceError(name, "must be a list of objects")
    return data


def _is_table(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) for row in value)


def _rows(connection: Connection, licences: Collection[bytes] | None) -> list[RowMapping]:
    """Return the final operations that may matter with their events, in the order of the chain."""
    operations, events = tables.operations.c, tables.events.c
    same_place = (operations.block_number == events.block_number) & (operations.log_index == events.log_index)
    joined = select(tables.operations, events.printer).where(same_place, operations.state == "confirmed")
    if licences is not None:
        # a transfer's event names the licence it makes; the one that gives stands in its body
        given = operations.kind == "transfer"
        joined = joined.where(events.licence.in_(licences) | events.licence.is_(None) | given)
    ordered = joined.order_by(operations.block_number, operations.log_index)
    return list(connection.execute(ordered).mappings())


def _told(row: RowMapping) -> list[tuple[Operation, bytes | None, dict[str, Any]]]:
    """Return what an operation states, each with its printer and its receipt: a plate states its prints."""
    operation, receipt = operation_in(row["body"]), _receipt(row)
    if not isinstance(operation, RecordPlate):
        return [(operation, row["printer"], receipt)]
    places = [operation.log_index_of(part, row["log_index"]) for part in range(len(operation.claims))]
    return [
        (each, row["printer"], receipt | {"log_index": place})
        for each, place in zip(operation.prints(), places, strict=True)
    ]


def _receipt(row: RowMapping) -> dict[str, Any]:
    return {
        "transaction": _hex(row["tx_hash"]),
        "block_number": row["block_number"],
        "block_hash": _hex(row["block_hash"]),
        "block_time": row["block_time"],
        "log_index": row["log_index"],
    }


def _head(connection: Connection) -> dict[str, Any]:
    """Return the newest indexed block up to which every operation in a block is final."""
    operations, blocks = tables.operations.c, tables.blocks.c
    open_from = select(func.min(operations.block_number)).where(operations.state == "mined").scalar_subquery()
    final = open_from.is_(None) | (blocks.number < open_from)
    newest = select(tables.blocks).where(final).order_by(blocks.number.desc()).limit(1)
    row = connection.execute(newest).mappings().first()
    return (
        {"number": -1, "hash": "0x"} if row is None else {"number": row["number"], "hash": _hex(row["hash"])}
    )


def _only(body: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: body[name] for name in names}


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
