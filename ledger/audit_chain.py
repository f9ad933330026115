"""The audit's eyes: reads a contract's whole history over RPC, and nothing but RPC.

Events come by block-range paging, the signed statements behind them from the transactions' calldata.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from eth_hash.auto import keccak

from ledger import wallets
from ledger.abi import (
    Event,
    LicenceGranted,
    OutcomeRecorded,
    PrinterEnrolled,
    PrintRecorded,
    PrintsTransferred,
    decode_query,
    encode_query,
    is_print_ledger,
)
from ledger.address import checksum_address
from ledger.audit import AuditReport, Finding, History, LicenceCounters, Record, StoredRow
from ledger.audit_claims import Claims
from ledger.audit_rules import Ledger, signed_by, vouchers_of
from ledger.calldata import operations_in
from ledger.chain import Chain, ChainError, Header, Transaction
from ledger.evidence import SECTIONS
from ledger.facts import fact_of
from ledger.indexer import IndexedEvent, read_page
from ledger.operations import Operation, RecordPlate
from ledger.reports import reported
from ledger.typed_data import Domain, digest

_PAGE_BLOCKS: Final = 2000
_ATTEMPTS: Final = 5


class ChainReader:
    """Reads the history of one contract from one node, from `first_block` on."""

    def __init__(self, chain: Chain, contract: str, *, first_block: int = 0) -> None:
        self._chain = chain
        self._contract = checksum_address("contract", contract)
        self._first_block = first_block
        self._taken: set[tuple[str, bytes, bytes]] = set()

    def read(self, blocks: Iterable[int] = ()) -> History:
        """Read everything up to the head, and the headers of some blocks besides.

        Reads again when the head moved meanwhile. Raises ChainError if it never rests or the node fails.
        """
        for _ in range(_ATTEMPTS):
            head = self._chain.head()
            history = self._read(head, blocks)
            if self._chain.head().hash == head.hash:
                return history
        raise ChainError(
            "the chain moved whenever it was read; stop what writes to it, or audit a quieter node"
        )

    def _read(self, head: Header, blocks: Iterable[int]) -> History:
        domain = Domain(self._chain.chain_id(), self._contract)
        code = self._chain.code(self._contract)
        seen, headers = self._events(head, {number for number in blocks if 0 <= number <= head.number})
        genuine = is_print_ledger(code)
        records = self._records(domain, seen)
        events = [record.seen.event for record in records]
        granted = (LicenceGranted, PrintsTransferred)
        licences = [event.licence for event in events if isinstance(event, granted)]
        printers = [event.printer for event in events if isinstance(event, PrinterEnrolled)]
        return History(
            domain=domain,
            code_hash=keccak(code),
            genuine=genuine,
            head=head,
            headers=headers,
            records=records,
            counters=self._counters(licences) if genuine else {},
            retired=self._retired(printers) if genuine else {},
            reported=self._reported(events) if genuine else {},
        )

    def _events(self, head: Header, blocks: set[int]) -> tuple[list[IndexedEvent], dict[int, Header]]:
        seen: list[IndexedEvent] = []
        headers: dict[int, Header] = {head.number: head}
        for first in range(self._first_block, head.number + 1, _PAGE_BLOCKS):
            last = min(first + _PAGE_BLOCKS - 1, head.number)
            logs = self._chain.logs(self._contract, first, last)
            numbers = sorted({log.block_number for log in logs} | {n for n in blocks if first <= n <= last})
            page = read_page(None, self._chain.headers(numbers), logs)
            seen += page.events
            headers |= {block.number: block for block in page.blocks}
        return seen, headers

    def _records(self, domain: Domain, seen: Sequence[IndexedEvent]) -> list[Record]:
        """Give every event the statement that caused it."""
        hashes = list(dict.fromkeys(event.log.transaction for event in seen))
        found = dict(zip(hashes, self._chain.transactions(hashes), strict=True))
        sources = {key: _Source(self._contract, transaction) for key, transaction in found.items()}
        for event in seen:
            if event.rejection is not None:
                sources[event.log.transaction].skip(event.rejection.index)
        enrolled: dict[bytes, str] = {}
        records = []
        for event in seen:
            record = Record(event, sources[event.log.transaction].take(event.fact))
            if isinstance(event.event, PrinterEnrolled):
                enrolled[event.event.printer] = event.event.provider
            records.append(replace(record, wallet=self._wallet(domain, record, enrolled)))
        return records

    def _wallet(self, domain: Domain, record: Record, enrolled: Mapping[bytes, str]) -> bool:
        """Return whether every signature that is not by an account's own key is one that a contract accepts
        (ERC-1271), or accepted in the block that recorded it.
        """
        vouchers = [] if record.operation is None else vouchers_of(record.operation, enrolled)
        asked = [
            (voucher.account, digest(domain, voucher.statement), voucher.signature) for voucher in vouchers
        ]
        foreign = [question for question in asked if not signed_by(*question)]
        block = record.seen.log.block_number
        taken = [
            question
            for question in foreign
            if question[0] and wallets.accepted(self._chain, *question, block=block)
        ]
        self._taken.update(taken)
        return bool(foreign) and len(taken) == len(foreign)

    def accepts(self, account: str, message: bytes, signature: bytes) -> bool:
        """Return whether an account is a contract that takes a signature for its own (ERC-1271), or took it
        in the block of a statement that was read.
        """
        taken = (account, message, signature) in self._taken
        return taken or (bool(account) and wallets.accepts(self._chain, account, message, signature))

    def _counters(self, licences: Sequence[bytes]) -> dict[bytes, LicenceCounters]:
        questions = [encode_query("licenceState", licence) for licence in licences]
        answers = self._chain.query(self._contract, questions)
        states = [decode_query("licenceState", answer)[0] for answer in answers]
        return dict(zip(licences, map(_counters_in, states), strict=True))

    def _retired(self, printers: Sequence[bytes]) -> dict[bytes, bool]:
        questions = [encode_query("printerState", printer) for printer in printers]
        answers = self._chain.query(self._contract, questions)
        states = [decode_query("printerState", answer) for answer in answers]
        return {printer: bool(state[1]) for printer, state in zip(printers, states, strict=True)}

    def _reported(self, events: Sequence[Event]) -> dict[bytes, frozenset[int]]:
        """Ask of which prints the contract has outcomes, be they among the events or not."""
        printed: dict[bytes, set[int]] = {}
        for event in events:
            if isinstance(event, PrintRecorded | OutcomeRecorded) and event.sequence > 0:
                printed.setdefault(event.licence, set()).add(event.sequence)
        return reported(self._chain, self._contract, printed)


def _counters_in(state: tuple[Any, ...]) -> LicenceCounters:
    provider, starts, expires, prints, reprints, credited, used, _, _, revoked, printers = state
    return LicenceCounters(
        provider=checksum_address("provider", provider),
        starts_at=starts,
        expires_at=expires,
        prints=prints,
        reprints=reprints,
        credited=credited,
        used=used,
        revoked=revoked,
        printers=printers,
    )


class _Source:
    """A transaction's statements, each given to one event."""

    def __init__(self, contract: str, transaction: Transaction | None) -> None:
        ours = transaction is not None and transaction.to == contract
        items = operations_in(transaction.data) if ours and transaction is not None else []
        self._items = [_stated_by(item) for item in items]

    def skip(self, index: int) -> None:
        """Take out an item that the batch says it skipped."""
        if index < len(self._items):
            self._items[index] = []

    def take(self, fact: str | None) -> Operation | None:
        """Return the first statement left that states a fact."""
        for stated in self._items:
            for index, statement in enumerate(stated):
                if fact_of(statement) == fact:
                    return stated.pop(index)
        return None


def _stated_by(item: Operation | None) -> list[Operation]:
    """Return the statements of an item of a batch: one, or those of a plate's prints and the plate's own."""
    if isinstance(item, RecordPlate):
        return [*item.prints(), item]
    return [] if item is None else [item]


def audit(
    reader: ChainReader,
    evidence: Mapping[str, Any] | None = None,
    rows: Iterable[StoredRow] = (),
    blocks: Collection[int] = (),
) -> AuditReport:
    """Judge a contract's history, and evidence and database rows against it.

    `evidence` as `ledger.evidence.parse` returns it, `rows` as `ledger.audit_rows.stored_rows` or the
    application gives them, of one moment and taken one by one after the chain was read, so that they need
    not be in memory; `blocks` are those that rows speak of. Raises ChainError if the node cannot be read.
    """
    history = reader.read({*blocks, *_head_of(evidence)})
    findings: list[Finding] = []
    if not history.genuine:
        problem = f"there is no print ledger at {history.domain.contract}"
        findings.append(Finding("chain", "contract", problem))
    findings += Ledger(history).findings()
    claims = Claims(history)
    if evidence is not None:
        findings += claims.evidence(evidence)
    seen = _Counted(rows)
    findings += claims.rows(seen)
    return AuditReport(
        chain_id=history.domain.chain_id,
        contract=history.domain.contract,
        head=history.head.number,
        counts=dict(_counts(history, evidence, seen.count)),
        findings=tuple(findings),
    )


class _Counted:
    """Rows, counted as they are taken."""

    def __init__(self, rows: Iterable[StoredRow]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[StoredRow]:
        for row in self._rows:
            self.count += 1
            yield row


def _head_of(evidence: Mapping[str, Any] | None) -> Iterator[int]:
    number = None if evidence is None else evidence["head"].get("number")
    if type(number) is int:
        yield number


def _counts(history: History, evidence: Mapping[str, Any] | None, rows: int) -> Iterator[tuple[str, int]]:
    names = [type(record.seen.event).__name__ for record in history.records]
    yield "events", len(names)
    for label, name in (
        ("publications", "RevisionPublished"),
        ("licences", "LicenceGranted"),
        ("transfers", "PrintsTransferred"),
        ("revocations", "LicenceRevoked"),
        ("printers", "PrinterEnrolled"),
        ("retirements", "PrinterRetired"),
        ("prints", "PrintRecorded"),
        ("plates", "PlateRecorded"),
        ("outcomes", "OutcomeRecorded"),
        ("rejections", "OperationRejected"),
    ):
        yield label, names.count(name)
    if evidence is not None:
        yield "evidence_rows", sum(len(evidence[name]) for name in (*SECTIONS, "openings"))
    yield "database_rows", rows
