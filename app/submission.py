"""Operations on their way to the chain: early reasons, waiting, receipts.

The row change and the outbox row are one transaction of the caller; what happens to the operation afterwards
is read from the outbox, so a crash between the two loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog
from sqlalchemy import select
from sqlmodel import Session

from app.encodings import Receipt
from app.errors import LedgerRejected, Reason, Unavailable
from app.wiring import Services
from ledger import outbox, tables
from ledger.chain import RefusedError
from ledger.operations import Operation
from ledger.outbox import OperationStatus
from ledger.prepared import Prepared

_log = structlog.get_logger("app.submission")
Answer = TypeVar("Answer")
ASKS_MAX = 5
CONFIRMED, REJECTED = "confirmed", "rejected"
_NEWEST = Prepared(select(tables.blocks.c.timestamp).order_by(tables.blocks.c.number.desc()).limit(1))
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def append(session: Session, operation: Operation) -> str:
    """Put the operation into the outbox within the caller's transaction; gives its id."""
    return outbox.append(session.connection(), operation)


def status_of(session: Session, operation_id: str) -> OperationStatus:
    """Read where an operation stands."""
    return outbox.status(session.connection(), operation_id)


def chain_time(session: Session) -> int:
    """Give the time of the newest indexed block; 0 where there is none. It never runs backwards."""
    return max((int(time) for (time,) in _NEWEST.rows(session.connection())), default=0)


def now(services: Services, session: Session) -> int:
    """Give the later of the service's and the chain's time: a clock turned back revives nothing."""
    return max(services.clock.now(), chain_time(session))


def require_healthy(services: Services) -> None:
    """Unavailable where the ledger is behind, being restored, or took back what was final: issue nothing
    then. Why is for the log: it names endpoints.
    """
    reason = services.ledger.trouble()
    if reason is not None:
        _log.warning("the ledger is not ready", reason=reason)
        raise Unavailable("the ledger is not ready; the operator is told why", remedy="try again in a moment")


def ask(question: Callable[[], Answer]) -> Answer:
    """Ask the chain something; again where the node refuses, as one does that made a block meanwhile.

    A node that keeps only its newest state forgets the block it was about to answer for.
    """
    for _ in range(ASKS_MAX - 1):
        try:
            return question()
        except RefusedError:
            continue
    return question()


def wait(services: Services, operation_id: str, timeout_s: float) -> OperationStatus:
    """Wait until the operation is final, `timeout_s` at the most."""
    services.ledger.wake()
    return services.ledger.wait(operation_id, timeout_s)


def concluded(
    services: Services, operation_id: str, what: str, settle: Callable[[Session], object]
) -> OperationStatus:
    """Wait as long as a request may, let `settle` bring the row in line, and give how far it came.

    Raises LedgerRejected, naming `what`, where the contract refused; the row is in line then too.
    """
    status = wait(services, operation_id, services.settings.ledger_timeout_s)
    with services.database.write() as session:
        settle(session)
    if status.state == REJECTED:
        raise rejected(status, what)
    return status


def require_acceptable(services: Services, operation: Operation) -> None:
    """Ask the contract beforehand; LedgerRejected with its reason where it would refuse."""
    error = ask(lambda: services.ledger.simulate(operation))
    if error is not None:
        message = f"the contract refuses this {operation.kind}: {error.sentence}"
        raise LedgerRejected(message, reasons=[contract_reason(error.name, error.sentence)])


def contract_reason(name: str, sentence: str) -> Reason:
    """Give the contract's error as a reason: `CountExhausted` becomes the code `count_exhausted`."""
    return Reason(_WORD.sub("_", name).lower(), sentence, source="contract")


def rejection(status: OperationStatus) -> Reason:
    """Give the contract's reason of a rejected operation."""
    reason: Mapping[str, Any] = status.reason or {}
    return contract_reason(
        str(reason.get("name", "Rejected")), str(reason.get("sentence", "The contract gave no reason."))
    )


def rejected(status: OperationStatus, what: str) -> LedgerRejected:
    """Give the error that reports a rejected operation."""
    reason = rejection(status)
    return LedgerRejected(f"the contract refused {what}: {reason.message}", reasons=[reason])


def receipt(status: OperationStatus | None) -> Receipt | None:
    """Give the receipt of an operation that a block holds, None before that and for a rejected one."""
    found = status.receipt() if status is not None and status.state != REJECTED else None
    return Receipt(**found) if found else None
