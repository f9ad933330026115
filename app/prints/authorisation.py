"""Authorise a print: policy with reasons, integrity, then a number and a token in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from app import idempotency, submission
from app.auth.principals import Principal
from app.errors import Conflict, NotPermitted, Reason
from app.idempotency import Attempt, Made
from app.identifiers import PRINT, new_id
from app.licences import queries as licence_queries
from app.models import Licence, Print, Printer
from app.printers import queries as printer_queries
from app.prints import case as cases
from app.prints import queries
from app.prints.case import Case, Counts
from app.prints.lifecycle import Event, State
from app.prints.policy import judge_count
from app.prints.transition import apply
from app.tokens import PRINT_TOKEN_PREFIX, new_token
from app.wiring import Services


@dataclass(frozen=True)
class Wanted:
    """Which print is asked for."""

    licence_id: str
    printer_id: str


def check(services: Services, principal: Principal, wanted: Wanted) -> tuple[Reason, ...]:
    """Give every reason against the print, without authorising it."""
    return _reasons(services, _look(services, principal, wanted))


def authorise(services: Services, request: Attempt, principal: Principal, wanted: Wanted) -> Made:
    """Authorise a print and give its token.

    1. The ledger is caught up; licence and printer are the caller's; a repeat gets what the first one got.
    2. Policy permits it, with every reason where not.
    3. The stored object, the manifest, the licence and its terms are what was published and signed.
    4. One transaction: the lowest free number, the token's digest, the idempotency record.

    Raises NotPermitted, IntegrityBroken, ObjectDamaged, NotFound or Unavailable; then nothing is counted.
    """
    # (1) the caller and its rows
    submission.require_healthy(services)
    with services.database.read() as session:
        made = idempotency.recall(session, services, request)
    if made is not None:
        return made
    case = _look(services, principal, wanted)
    # (2) policy; the count alone is left to (4), where a racing retry finds what the first one got
    if case.reasons():
        _require_none(services, _reasons(services, case))
    # (3) integrity
    with services.database.read() as session:
        cases.listed_hashes(session, case.licence)
    case.require_intact(services.ledger.domain)
    cases.check_object(services, case.revision)
    # (4) the number and the token
    return _issue(services, request, principal, wanted, case.counts)


def withdraw(services: Services, principal: Principal, print_id: str) -> None:
    """Take an authorisation back before its token is redeemed: its number is free again.

    A print withdrawn stays so, however often it is asked. Raises NotFound; Conflict from redemption on.
    """
    with services.database.write() as session:
        row = queries.provided(session, principal, print_id)
        if row.state == State.WITHDRAWN:
            return
        if row.plate_id is not None:
            raise Conflict(
                f"print {row.id} is one of plate {row.plate_id}", remedy="withdraw the plate as a whole"
            )
        if row.state != State.AUTHORISED:
            raise Conflict(
                f"print {row.id} is {row.state}, so there is no authorisation to withdraw",
                remedy="withdraw prints before their tokens are redeemed; later, stop the machine",
            )
        apply(session, row, Event.WITHDRAW)


def _reasons(services: Services, case: Case) -> tuple[Reason, ...]:
    """Every reason against the print, that there is no number for it included."""
    with services.database.read() as session:
        _, count = judge_count(case.permission, held_numbers(session, case))
    return (*case.reasons(), *count)


def _look(services: Services, principal: Principal, wanted: Wanted) -> Case:
    """Find the rows the caller may use, ask the chain, gather the case."""
    with services.database.read() as session:
        licence, printer = _rows(session, principal, wanted)
    counts = cases.ask_chain(services, licence.licence_hash, printer.printer_hash)
    with services.database.read() as session:
        return cases.gather(services, session, *_rows(session, principal, wanted), counts)


def _rows(session: Session, principal: Principal, wanted: Wanted) -> tuple[Licence, Printer]:
    return (
        licence_queries.held(session, principal, wanted.licence_id),
        printer_queries.printer(session, principal, wanted.printer_id),
    )


def _issue(
    services: Services, request: Attempt, principal: Principal, wanted: Wanted, counts: Counts
) -> Made:
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        session.get(Licence, wanted.licence_id, with_for_update=True)
        case = cases.gather(services, session, *_rows(session, principal, wanted), counts)
        expire_due(session, case.now, licence_id=case.licence.id)
        sequence, count = judge_count(case.permission, held_numbers(session, case))
        _require_none(services, (*case.reasons(), *count))
        token = new_token(PRINT_TOKEN_PREFIX, services.entropy)
        expires_at = case.now + services.settings.token_ttl_s
        row = Print(
            id=new_id(PRINT, services.entropy),
            licence_id=case.licence.id,
            printer_id=case.printer.id,
            owner_id=case.licence.owner_id,
            provider_id=case.licence.provider_id,
            state=State.AUTHORISED,
            sequence=sequence or 0,
            token_sha256=token.digest(),
            token_expires_at=expires_at,
            deadline=expires_at + services.settings.claim_grace_s,
            created_at=services.clock.now(),
        )
        session.add(row)
        return idempotency.keep(session, services, request, row.id, token)


def expire_due(session: Session, now: int, licence_id: str | None = None) -> int:
    """Expire prints whose token's time is over: their numbers are free again. Gives how many."""
    due = select(Print).where(Print.state == State.AUTHORISED).where(col(Print.token_expires_at) <= now)
    if licence_id is not None:
        due = due.where(Print.licence_id == licence_id)
    rows = session.exec(due.with_for_update()).all()
    for row in rows:
        apply(session, row, Event.EXPIRE)
    session.flush()
    return len(rows)


def held_numbers(session: Session, case: Case) -> frozenset[int]:
    """Give the numbers above the chain's base that prints hold; one whose token has expired holds none."""
    query = (
        select(Print.sequence)
        .where(Print.licence_id == case.licence.id)
        .where(col(Print.sequence) > case.permission.base)
        .where(col(Print.holds_sequence).is_(True))
        .where((col(Print.state) != State.AUTHORISED) | (col(Print.token_expires_at) > case.now))
    )
    return frozenset(session.exec(query).all())


def _require_none(services: Services, reasons: tuple[Reason, ...]) -> None:
    if reasons:
        for reason in reasons:
            services.metrics.refusals.labels(reason.code).inc()
        listed = "; ".join(reason.message for reason in reasons)
        raise NotPermitted(f"the print is not permitted: {listed}", reasons=reasons)
