"""What somebody claims, an evidence file or a database, held against the chain's history. Pure.

Every row is matched with the event it speaks of, by what it states or else by its receipt, and compared field
by field; what is matched by neither, repeated, missing or out of order is named as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ledger.abi import RevisionPublished
from ledger.audit import Finding, History, Record, StoredRow, differences
from ledger.commitment import revision_commitment
from ledger.errors import LedgerError
from ledger.evidence import SECTIONS, digest_of, document_of
from ledger.evidence_scope import Reach, reach_of, within
from ledger.facts import event_json, fact_of
from ledger.operations import Operation, from_json
from ledger.typed_data import Revocation

_KINDS: Final[Mapping[str, str]] = {
    "publications": "publish",
    "licences": "grant",
    "transfers": "transfer",
    "printers": "enrol",
    "retirements": "retire",
    "prints": "record_print",
    "outcomes": "record_outcome",
}
_SECTIONS: Final = {kind: section for section, kind in _KINDS.items()} | {
    "revoke": "revocations",
    "record_plate": "plates",  # of the outbox alone: evidence has a plate's prints
}
_DERIVED: Final = ("receipt", "printer")


class _Expected:
    """A row as the chain would write it, written when it is asked for: there may be very many."""

    __slots__ = ("fact", "operation", "order", "record")

    def __init__(self, record: Record, operation: Operation, fact: str, order: int) -> None:
        self.record = record
        self.operation = operation
        self.fact = fact
        self.order = order

    @property
    def section(self) -> str:
        return _SECTIONS[self.operation.kind]

    def document(self) -> dict[str, Any]:
        return document_of(self.operation, self._printer(), self.record.receipt())[1]

    def reach(self) -> Reach:
        return reach_of(self.operation, self._printer())

    def _printer(self) -> bytes | None:
        return getattr(self.record.seen.event, "printer", None)


class Claims:
    """Compares claims with one history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._by_fact: dict[str, _Expected] = {}
        self._by_receipt: dict[tuple[str, int], _Expected] = {}
        logs = ((record.seen.log, record) for record in history.records)
        self._by_place = {(log.block_number, log.index): record for log, record in logs}
        for order, record in enumerate(history.records):
            if record.operation is None or record.seen.fact is None:
                continue
            expected = _Expected(record, record.operation, record.seen.fact, order)
            self._by_fact[expected.fact] = expected
            log = record.seen.log
            self._by_receipt["0x" + log.transaction.hex(), log.index] = expected

    def evidence(self, evidence: Mapping[str, Any]) -> list[Finding]:
        """Judge an evidence file that `ledger.evidence.parse` let through."""
        found = [*self._outline(evidence)]
        matched: dict[str, str] = {}
        for section in SECTIONS:
            found += self._section(section, evidence[section], matched)
        found += self._scope(matched, evidence["subjects"], evidence["head"].get("number"))
        for index, opening in enumerate(evidence["openings"]):
            found += self._opening(f"evidence openings[{index}]", opening)
        if not found and evidence["digest"] != digest_of(evidence):
            problem = "the file was changed after it was written, where neither chain nor signature fixes it"
            found.append(Finding("evidence", "generated_at, digest", problem))
        return found

    def rows(self, rows: Iterable[StoredRow]) -> Iterator[Finding]:
        """Judge database rows: what each claims, and whether it claims something that never happened."""
        for row in rows:
            if row.place is not None:
                actual = self._at_place(row.place)
            else:
                expected = self._by_fact.get(row.fact or "")
                actual = None if expected is None else flattened(expected.document())
            if actual is None:
                yield Finding(row.name, "row", "the chain knows nothing of this")
                continue
            if not all(_same(value, actual.get(name)) for name, value in row.values.items()):
                wanted = {name: actual.get(name) for name in row.values}
                yield from differences(row.name, dict(row.values), wanted)

    def _outline(self, evidence: Mapping[str, Any]) -> Iterator[Finding]:
        history, row = self._history, "evidence"
        actual = {
            "chain_id": history.domain.chain_id,
            "contract": history.domain.contract,
            "code_hash": "0x" + history.code_hash.hex(),
        }
        yield from differences(row, {name: evidence[name] for name in actual}, actual)
        head = evidence["head"]
        number, hash_ = head.get("number"), head.get("hash")
        header = history.headers.get(number) if type(number) is int else None
        if header is None or "0x" + header.hash.hex() != hash_:
            known = {"0x" + block.hash.hex() for block in history.headers.values()}
            yield Finding(
                row, "head.number" if hash_ in known else "head.hash", "is not a block of this chain"
            )
        for name in head.keys() - {"number", "hash"}:
            yield Finding(row, f"head.{name}", "does not belong here")
        if not _later(evidence["generated_at"], 0 if header is None else header.timestamp):
            yield Finding(row, "generated_at", "is no RFC 3339 time in UTC at or after the head's")

    def _section(
        self, section: str, rows: Sequence[Mapping[str, Any]], matched: dict[str, str]
    ) -> Iterator[Finding]:
        before = -1
        for index, row in enumerate(rows):
            name = f"evidence {section}[{index}]"
            expected = self._match(section, row)
            if expected is None:
                yield Finding(name, "row", "the chain knows nothing of this")
                continue
            if expected.fact in matched:
                yield Finding(name, "row", "is there twice")
            elif expected.order < before:
                yield Finding(name, "row", "is out of the chain's order")
            before = max(before, expected.order)
            matched[expected.fact] = name
            yield from differences(name, row, expected.document())

    def _match(self, section: str, row: Mapping[str, Any]) -> _Expected | None:
        fact = _fact_of_row(section, row)
        expected = self._by_fact.get(fact) if fact is not None else None
        if expected is None:
            receipt = row.get("receipt")
            place = receipt if isinstance(receipt, Mapping) else {}
            key = (place.get("transaction"), place.get("log_index"))
            if isinstance(key[0], str) and isinstance(key[1], int):
                expected = self._by_receipt.get((key[0], key[1]))
        return expected if expected is not None and expected.section == section else None

    def _scope(
        self, matched: Mapping[str, str], subjects: Sequence[object], head: object
    ) -> Iterator[Finding]:
        """Name what the file lacks of what the chain had, at the file's head, about its subjects, and what
        it holds besides. `matched` gives the row of each fact that is in the file.
        """
        there = [
            each
            for each in self._by_fact.values()
            if type(head) is not int or each.record.seen.log.block_number <= head
        ]
        reaches = [each.reach() for each in there]
        licences = {"0x" + each.makes.hex(): each.makes for each in reaches if each.makes is not None}
        for index, subject in enumerate(subjects):
            if not isinstance(subject, str) or subject not in licences:
                yield Finding("evidence", f"subjects[{index}]", "is no licence that this chain has")
            elif subject in subjects[:index]:
                yield Finding("evidence", f"subjects[{index}]", "is there twice")
        wanted = {licences[each] for each in subjects if isinstance(each, str) and each in licences}
        needed = {each.fact for each, is_ in zip(there, within(reaches, wanted), strict=True) if is_}
        for each in there:
            if each.fact in needed and each.fact not in matched:
                yield Finding(f"evidence {each.section}", "row", f"lacks {each.record.name}: {each.fact}")
        for fact, row in matched.items():
            if fact not in needed:
                yield Finding(row, "row", "is about none of the file's subjects, or later than its head")

    def _opening(self, row: str, opening: Mapping[str, Any]) -> Iterator[Finding]:
        for name in sorted(opening.keys() ^ {"commitment", "salt", "manifest"}):
            yield Finding(row, name, "is missing or does not belong here")
            return
        commitments = {
            "0x" + record.seen.event.commitment.hex()
            for record in self._history.records
            if isinstance(record.seen.event, RevisionPublished)
        }
        if opening["commitment"] not in commitments:
            yield Finding(row, "commitment", "was never published on this chain")
            return
        if not _opens(opening):
            yield Finding(row, "salt, manifest", "do not open the commitment")

    def _at_place(self, place: tuple[int, int | None]) -> Mapping[str, Any] | None:
        number, index = place
        if index is None:
            header = self._history.headers.get(number)
            return None if header is None else block_values(header)
        record = self._by_place.get((number, index))
        return None if record is None else event_values(record)


def block_values(header: Any) -> dict[str, Any]:
    """Return a block as a row of `ledger_blocks` claims it."""
    return {
        "hash": "0x" + header.hash.hex(),
        "parent": "0x" + header.parent.hex(),
        "timestamp": header.timestamp,
    }


def event_values(record: Record) -> dict[str, Any]:
    """Return an event as a row of `ledger_events` claims it."""
    row = record.seen.row()
    values = {name: "0x" + v.hex() if isinstance(v, bytes) else v for name, v in row.items()}
    return values | {"body": event_json(record.seen.event)}


def flattened(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of evidence with the members of its statement and receipt beside its own."""
    flat: dict[str, Any] = {}
    for name, value in document.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def _same(claimed: object, actual: object) -> bool:
    """Return whether two values are the same plain one; what is made of others `differences` tells."""
    return type(claimed) is type(actual) and isinstance(claimed, str | int | None) and claimed == actual


def _fact_of_row(section: str, row: Mapping[str, Any]) -> str | None:
    """Return the fact a row states, None where it is too damaged to state one."""
    try:
        if section == "revocations":
            return f"revoke:0x{Revocation.from_json(row.get('revocation')).struct_hash().hex()}"
        members = {name: value for name, value in row.items() if name not in _DERIVED}
        return fact_of(from_json({"kind": _KINDS[section], **members}))
    except LedgerError:
        return None


def _opens(opening: Mapping[str, Any]) -> bool:
    salt, manifest = opening["salt"], opening["manifest"]
    if not isinstance(salt, str) or not isinstance(manifest, str):
        return False
    try:
        raw = bytes.fromhex(salt.removeprefix("0x"))
        made = revision_commitment(raw, manifest.encode())
    except (ValueError, LedgerError):
        return False
    return salt == "0x" + raw.hex() and opening["commitment"] == "0x" + made.hex()


def _later(value: object, head_time: int) -> bool:
    """Return whether a value is an RFC 3339 UTC time not before the head's."""
    if not isinstance(value, str) or not value.endswith("Z"):
        return False
    try:
        return datetime.fromisoformat(value).timestamp() >= head_time
    except ValueError:
        return False
