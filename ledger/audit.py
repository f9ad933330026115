"""The audit's judgement, pure: what the chain shows against itself, against evidence, against database rows.

`ledger.audit_chain` reads a `History` from an RPC endpoint; nothing here trusts anything but it. Each finding
names the row and the field that disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.chain import Header
from ledger.indexer import IndexedEvent
from ledger.operations import Operation
from ledger.typed_data import Domain


@dataclass(frozen=True)
class Finding:
    """One disagreement: in which row (`evidence prints[3]`, `chain 12/0`), which field, and what is wrong."""

    row: str
    field: str
    problem: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON."""
        return {"row": self.row, "field": self.field, "problem": self.problem}


@dataclass(frozen=True)
class Record:
    """An event with the signed operation that caused it, None where no calldata shows one.

    `wallet` tells that the account's signature is one that a contract (ERC-1271) accepts.
    """

    seen: IndexedEvent
    operation: Operation | None
    wallet: bool = False

    @property
    def name(self) -> str:
        """Where the event stands, `chain block/log`."""
        return f"chain {self.seen.log.block_number}/{self.seen.log.index}"

    def receipt(self) -> dict[str, Any]:
        """Return the receipt as evidence holds it."""
        log = self.seen.log
        return {
            "transaction": "0x" + log.transaction.hex(),
            "block_number": log.block_number,
            "block_hash": "0x" + log.block_hash.hex(),
            "block_time": self.seen.block_time,
            "log_index": log.index,
        }


@dataclass(frozen=True)
class LicenceCounters:
    """What the contract itself says of a licence at the head."""

    provider: str
    starts_at: int
    expires_at: int
    prints: int
    reprints: int
    credited: int
    used: int
    revoked: bool
    printers: bytes


@dataclass(frozen=True)
class History:
    """Everything the contract ever emitted, with the calldata behind it and the contract's own state at the
    head.

    `headers` holds the blocks with events and those asked for besides; `retired` says of each printer
    enrolled whether the contract calls it retired, `reported` of each licence of which prints the contract
    has outcomes.
    """

    domain: Domain
    code_hash: bytes
    genuine: bool
    head: Header
    headers: Mapping[int, Header]
    records: Sequence[Record]
    counters: Mapping[bytes, LicenceCounters]
    retired: Mapping[bytes, bool]
    reported: Mapping[bytes, frozenset[int]]


@dataclass(frozen=True)
class StoredRow:
    """A row of some database that claims something the chain can confirm.

    `fact` is the operation's (`ledger.facts.fact_of`), None where `values` are an event's or block's whole
    row at `place`; `values` are compared with the chain's by name, whatever names it has.
    """

    table: str
    key: str
    values: Mapping[str, Any]
    fact: str | None = None
    place: tuple[int, int | None] | None = None

    @property
    def name(self) -> str:
        """The row as a finding names it."""
        return f"{self.table} {self.key}"


@dataclass(frozen=True)
class AuditReport:
    """The outcome of an audit: sound only without findings. `counts` says what was looked at."""

    chain_id: int
    contract: str
    head: int
    counts: Mapping[str, int]
    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "ok": self.ok,
            "chain_id": self.chain_id,
            "contract": self.contract,
            "head": self.head,
            "counts": dict(self.counts),
            "findings": [finding.to_json() for finding in self.findings],
        }


def differences(row: str, claimed: object, actual: object, path: str = "") -> Iterable[Finding]:
    """Yield a finding for each leaf in which a claimed JSON value differs from the actual one."""
    if isinstance(claimed, Mapping) and isinstance(actual, Mapping):
        for name in sorted({*claimed, *actual}):
            inner = f"{path}.{name}" if path else str(name)
            if name not in actual:
                yield Finding(row, inner, "does not belong here")
            elif name not in claimed:
                yield Finding(row, inner, "is missing")
            else:
                yield from differences(row, claimed[name], actual[name], inner)
    elif isinstance(claimed, list) and isinstance(actual, list) and len(claimed) == len(actual):
        for index, (one, other) in enumerate(zip(claimed, actual, strict=True)):
            yield from differences(row, one, other, f"{path}[{index}]")
    elif type(claimed) is not type(actual) or claimed != actual:
        yield Finding(row, path, f"says {_short(claimed)}, the chain says {_short(actual)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 90 else text[:87] + "…"
