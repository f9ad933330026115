"""Plates for the audit: a plate and its prints say the same, and the chain recorded them as one."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence

from app.models import Licence, Plate, Print
from ledger.audit import Finding
from ledger.commitment import part_token
from ledger.errors import LedgerError
from ledger.operations import Operation, RecordPlate, RecordPrint
from ledger.typed_data import Plate as PlateStatement
from ledger.typed_data import PrintClaim


def by_plate(prints: Iterable[Print]) -> dict[str, list[Print]]:
    """Give the prints of each plate that they name, in the order they say they have."""
    found: dict[str, list[Print]] = {}
    for row in prints:
        if row.plate_id is not None:
            found.setdefault(row.plate_id, []).append(row)
    return {plate: sorted(rows, key=lambda row: row.plate_part or 0) for plate, rows in found.items()}


def record_operation(prints: Sequence[Print], licences: Mapping[str, Licence]) -> str:
    """Give the operation that records these prints as a plate; empty where they make none."""
    try:
        claims = [
            PrintClaim(licences[row.licence_id].licence_hash, row.sequence, row.token_sha256, row.deadline)
            for row in prints
        ]
        return f"{RecordPlate.kind}:0x{PlateStatement.of(claims).struct_hash().hex()}"
    except (LedgerError, KeyError):
        return ""


def carried_by(operation: Operation | None, fact: str) -> str:
    """Give the fact by which the outbox carried an event's: that of the plate for a print of one."""
    if isinstance(operation, RecordPrint) and operation.plate:
        return f"{RecordPlate.kind}:0x{operation.signed.struct_hash().hex()}"
    return fact


def findings(plates: Iterable[Plate], prints: Iterable[Print]) -> Iterator[Finding]:
    """Yield where a plate's row and its prints' rows contradict each other."""
    prints = list(prints)
    for row in prints:
        if (row.plate_id is None) != (row.plate_part is None):
            yield Finding(f"prints {row.id}", "plate_id, plate_part", "only one of them is there")
    held = by_plate(prints)
    for plate in plates:
        yield from _plate(plate, held.pop(plate.id, []))
    for plate_id, rows in held.items():
        yield Finding(f"plates {plate_id}", "id, row", "is missing, prints name it")
        for row in rows:
            yield Finding(f"prints {row.id}", "plate_id", f"there is no {plate_id}")


def _plate(plate: Plate, rows: Sequence[Print]) -> Iterator[Finding]:
    name = f"plates {plate.id}"
    if plate.parts != len(rows):
        yield Finding(name, "parts, row", f"says {plate.parts}, {len(rows)} prints name it")
    for column in ("printer_id", "provider_id"):
        if any(getattr(row, column) != getattr(plate, column) for row in rows):
            yield Finding(name, column, "is not that of its prints")
    for part, row in enumerate(rows):
        if row.plate_part != part:
            yield Finding(f"prints {row.id}", "plate_part", f"is {row.plate_part}, the place is {part}")
        if not _derived(plate.token_sha256, part, row.token_sha256):
            problem = "is not what the plate's token gives this part"
            yield Finding(name, "token_sha256", problem)
            yield Finding(f"prints {row.id}", "token_sha256, plate_part", problem)


def _derived(token_sha256: bytes, part: int, found: bytes) -> bool:
    try:
        return hmac.compare_digest(part_token(token_sha256, part), found)
    except LedgerError:
        return False
