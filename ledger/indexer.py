"""The index of the chain as a pure machine: blocks and logs in, rows and rewinds out.

The caller (`ledger.sync`) reads the chain and writes the rows; here is only the order that must hold:

1. a page starts right above the block the index stands on, or far above it with nothing of ours between;
2. the block under the page still is the one indexed, else the index rewinds to the youngest block both share;
3. within the page every block names its predecessor as parent, and every log names a block of the page.

Nothing of a page is taken unless all of it fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.abi import Event, OperationRejected, OutcomeRecorded, PrintRecorded
from ledger.chain import ChainError, Header, Log
from ledger.facts import compact_json, event_json, event_of, fact_in
from ledger.typed_data import print_id


@dataclass(frozen=True)
class IndexedEvent:
    """An event at its place in the chain, as the index keeps it."""

    log: Log
    block_time: int
    event: Event
    fact: str | None

    def row(self) -> dict[str, Any]:
        """Return the row of `ledger_events`."""
        return {
            "block_number": self.log.block_number,
            "log_index": self.log.index,
            "tx_hash": self.log.transaction,
            "name": type(self.event).__name__,
            "fact": self.fact or "",
            "licence": getattr(self.event, "licence", None),
            "printer": getattr(self.event, "printer", None),
            "revision": getattr(self.event, "revision", None),
            "print": self._print(),
            "body": compact_json(event_json(self.event)),
        }

    def _print(self) -> bytes | None:
        """Return the name of the print that the event is about."""
        if not isinstance(self.event, PrintRecorded | OutcomeRecorded):
            return None
        return print_id(self.event.licence, self.event.sequence)

    @property
    def rejection(self) -> OperationRejected | None:
        """The event, if it says that an item of a batch was skipped."""
        return self.event if isinstance(self.event, OperationRejected) else None


@dataclass(frozen=True)
class Page:
    """What one step adds to the index: blocks in order, and the events in them."""

    blocks: tuple[Header, ...]
    events: tuple[IndexedEvent, ...]


class PageMismatch(ChainError):  # noqa: N818 - it is a state of the world, not a fault: the caller asks again
    """The answers do not fit together: the chain moved between two questions. Ask again."""

    kind = "chain_moved"


def read_page(below: Header | None, headers: Sequence[Header | None], logs: Sequence[Log]) -> Page:
    """Check a run of blocks and their logs and return them as a page.

    `below` is the indexed block under the first one (None where nothing is indexed or the run does not start
    right above it). Raises PageMismatch if parents, blocks and logs do not fit, ChainError for a foreign log.
    """
    blocks: list[Header] = []
    previous = below
    for header in headers:
        if header is None:
            raise PageMismatch("a block vanished while it was read")
        if previous is not None and previous.number + 1 == header.number and previous.hash != header.parent:
            raise PageMismatch(f"block {header.number} does not follow block {previous.number}")
        blocks.append(header)
        previous = header
    return Page(tuple(blocks), _read_events(blocks, logs))


def _read_events(blocks: Sequence[Header], logs: Sequence[Log]) -> tuple[IndexedEvent, ...]:
    by_number = {block.number: block for block in blocks}
    events = []
    for log in logs:
        block = by_number.get(log.block_number)
        if block is None or block.hash != log.block_hash:
            raise PageMismatch(f"a log names another block {log.block_number} than the chain has")
        event = event_of(log)
        events.append(IndexedEvent(log, block.timestamp, event, fact_in(event)))
    return tuple(events)


def common_ancestor(indexed: Sequence[Header], seen: Mapping[int, Header | None]) -> Header | None:
    """Return the youngest indexed block that the chain still has under the same hash, None if there is none.

    `indexed` are the index's newest blocks, in any order; `seen` what the chain has at their numbers.
    """
    for block in sorted(indexed, key=lambda block: block.number, reverse=True):
        found = seen.get(block.number)
        if found is not None and found.hash == block.hash:
            return block
    return None


def finalised(head: int, confirmations: int) -> int:
    """Return the newest block with `confirmations` blocks on it, itself counted; -1 where there is none."""
    return max(head - confirmations + 1, -1)
