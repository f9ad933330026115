"""What the chain tells anybody of a print: no name, no id, no address of who is behind it.

Everything comes from the contract's events and state, nothing from the service's own tables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import RowMapping, select
from sqlmodel import Session

from app import submission
from app.wiring import Services
from ledger import tables
from ledger.abi import Event, OutcomeRecorded, PrintRecorded
from ledger.typed_data import Result

_EVENTS = tables.events.c
_BLOCKS = tables.blocks.c


@dataclass(frozen=True)
class Recorded:
    """Where the chain holds something: block, its time in Unix seconds, transaction."""

    block_number: int
    block_time: int
    transaction: bytes


@dataclass(frozen=True)
class PublicOutcome:
    """How a print ended; `credited`: the licence got it back. `result` is completed, failed or cancelled."""

    result: str
    credited: bool
    recorded: Recorded


@dataclass(frozen=True)
class PublicPrint:
    """A print on the ledger. Hashes are the chain's names.

    sequence: its number in the licence; allowed: how many the licence allows now, credits included
    """

    print: bytes
    licence: bytes
    printer: bytes
    sequence: int
    allowed: int
    recorded: Recorded
    outcome: PublicOutcome | None
    licence_revoked: bool
    printer_retired: bool


def look(services: Services, print_hash: bytes) -> PublicPrint | None:
    """Find a print by its name on chain, None where this ledger knows none; ChainError while none answers."""
    with services.database.read() as session:
        counted = _event(session, print_hash, PrintRecorded)
        ended = _event(session, print_hash, OutcomeRecorded)
    if counted is None:
        return None
    ledger = services.ledger
    licence = submission.ask(lambda: ledger.licence_state(counted["licence"]))
    printer = submission.ask(lambda: ledger.printer_state(counted["printer"]))
    if licence is None or printer is None:
        return None
    return PublicPrint(
        print=print_hash,
        licence=counted["licence"],
        printer=counted["printer"],
        sequence=json.loads(counted["body"])["sequence"],
        allowed=licence.prints + licence.credited,
        recorded=_recorded(counted),
        outcome=None if ended is None else _outcome(ended),
        licence_revoked=licence.revoked,
        printer_retired=printer.retired,
    )


def _event(session: Session, print_hash: bytes, kind: type[Event]) -> RowMapping | None:
    """Read the print's event of a kind, with the time of its block."""
    about = (_EVENTS.print == print_hash) & (_EVENTS.name == kind.__name__)
    joined = select(tables.events, _BLOCKS.timestamp).where(about, _EVENTS.block_number == _BLOCKS.number)
    return session.connection().execute(joined.order_by(_EVENTS.block_number)).mappings().first()


def _outcome(event: RowMapping) -> PublicOutcome:
    body = json.loads(event["body"])
    return PublicOutcome(Result(body["result"]).name.lower(), body["credited"], _recorded(event))


def _recorded(event: RowMapping) -> Recorded:
    return Recorded(event["block_number"], event["timestamp"], event["tx_hash"])
