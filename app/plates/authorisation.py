"""Authorise a plate: every part by the policy of a print, all together by the plate's, then all numbers and
one token in one transaction, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app import idempotency, submission
from app.auth.principals import Principal
from app.errors import Conflict, Invalid, NotPermitted, Reason
from app.idempotency import Attempt, Made
from app.identifiers import PLATE, PRINT, new_id
from app.licences import queries as licence_queries
from app.licences.terms import plates_in
from app.models import Licence, Plate, Print, Printer
from app.plates import queries
from app.plates.policy import Judged, PlatePart, judge_plate
from app.plates.refusal import of_part
from app.plates.schemas import PlateRequest
from app.printers import queries as printer_queries
from app.prints import case as cases
from app.prints.authorisation import expire_due, held_numbers
from app.prints.case import Case, Counts
from app.prints.lifecycle import Event, State
from app.prints.policy import judge_count
from app.prints.transition import apply
from app.tokens import PLATE_TOKEN_PREFIX, Token, new_token
from app.wiring import Services
from ledger.commitment import part_token
from mesh_tools.arrange import PARTS_MAX, Spot


@dataclass(frozen=True)
class Wanted:
    """Which plate is asked for: a licence for each part, in order, and their spots, None to pack them."""

    printer_id: str
    licence_ids: tuple[str, ...]
    spots: tuple[Spot, ...] | None

    @classmethod
    def of(cls, body: PlateRequest) -> Wanted:
        """Read a request; Invalid where the parts are too many, or spots are not for all of them."""
        licences = [part.licence_id for part in body.parts for _ in range(part.count)]
        if len(licences) > PARTS_MAX:
            raise Invalid(
                f"the plate has {len(licences)} parts",
                field="parts",
                remedy=f"put {PARTS_MAX} on a plate at the most",
            )
        spots = [spot for part in body.parts for spot in part.spots or ()]
        placed = [len(part.spots or ()) == part.count for part in body.parts]
        if spots and not all(placed):
            raise Invalid(
                f"part {placed.index(False)} has not one spot for each of its prints",
                field=f"parts.{placed.index(False)}.spots",
                remedy="give every print a spot, or none at all",
            )
        given = tuple(Spot(spot.x_mm, spot.y_mm, spot.turn_deg) for spot in spots) or None
        return cls(body.printer_id, tuple(licences), given)


@dataclass(frozen=True)
class Look:
    """The parts' cases, what the chain says of each licence, and what speaks against each part."""

    cases: list[Case]
    judged: Judged
    numbers: tuple[int, ...]
    reasons: tuple[tuple[Reason, ...], ...]

    @property
    def allowed(self) -> bool:
        """Whether nothing speaks against any part."""
        return not any(self.reasons)


def check(services: Services, principal: Principal, wanted: Wanted) -> Look:
    """Look at the plate without authorising it."""
    counts = _ask(services, principal, wanted)
    with services.database.read() as session:
        return _look(services, session, principal, wanted, counts)


def authorise(services: Services, request: Attempt, principal: Principal, wanted: Wanted) -> Made:
    """Authorise a plate and give its token.

    1. The ledger is caught up; licences and printer are the caller's; a repeat gets what the first one got.
    2. Policy permits each part and all of them together, with every reason of every part where not.
    3. Of each part: the stored object, the manifest, the licence and its terms are what was signed.
    4. One transaction: for each part the lowest free number, the token's digest, the idempotency record.

    Raises NotPermitted, IntegrityBroken, ObjectDamaged, NotFound or Unavailable; then nothing is counted.
    """
    # (1) the caller and its rows
    submission.require_healthy(services)
    with services.database.read() as session:
        made = idempotency.recall(session, services, request)
    if made is not None:
        return made
    counts = _ask(services, principal, wanted)
    with services.database.read() as session:
        seen = _look(services, session, principal, wanted, counts)
        # (2) policy
        _require_allowed(services, seen)
        for case in _distinct(seen.cases):
            cases.listed_hashes(session, case.licence)
    # (3) integrity
    for case in _distinct(seen.cases):
        case.require_intact(services.ledger.domain)
        cases.check_object(services, case.revision)
    # (4) the numbers and the token
    with services.database.write() as session:
        made = idempotency.recall(session, services, request)
        if made is not None:
            return made
        for licence_id in sorted(set(wanted.licence_ids)):
            session.get(Licence, licence_id, with_for_update=True)
        now = submission.now(services, session)
        for licence_id in sorted(set(wanted.licence_ids)):
            expire_due(session, now, licence_id=licence_id)
        seen = _look(services, session, principal, wanted, counts)
        _require_allowed(services, seen)
        plate, token = _issue(services, session, seen)
        return idempotency.keep(session, services, request, plate.id, token)


def withdraw(services: Services, principal: Principal, plate_id: str) -> None:
    """Take a plate back before its token is redeemed: all its numbers are free again.

    A plate withdrawn stays so, however often it is asked. Raises NotFound; Conflict from redemption on.
    """
    with services.database.write() as session:
        _, prints = queries.provided(session, principal, plate_id)
        if all(row.state == State.WITHDRAWN for row in prints):
            return
        fixed = next((row for row in prints if row.state != State.AUTHORISED), None)
        if fixed is not None:
            raise Conflict(
                f"plate {plate_id} is {fixed.state}, so there is no authorisation to withdraw",
                remedy="withdraw plates before their tokens are redeemed; later, stop the machine",
            )
        for row in prints:
            apply(session, row, Event.WITHDRAW)


def _ask(services: Services, principal: Principal, wanted: Wanted) -> dict[str, Counts]:
    """Ask the chain about each licence; never within a transaction."""
    with services.database.read() as session:
        licences, printer = _rows(session, principal, wanted)
        names = {licence.id: (licence.licence_hash, printer.printer_hash) for licence in licences}
    told = cases.ask_chain_of(services, set(names.values()))
    return {licence_id: told[name] for licence_id, name in names.items()}


def _rows(session: Session, principal: Principal, wanted: Wanted) -> tuple[list[Licence], Printer]:
    printer = printer_queries.printer(session, principal, wanted.printer_id)
    found = {each: licence_queries.held(session, principal, each) for each in set(wanted.licence_ids)}
    return [found[each] for each in wanted.licence_ids], printer


def _look(
    services: Services, session: Session, principal: Principal, wanted: Wanted, counts: dict[str, Counts]
) -> Look:
    licences, printer = _rows(session, principal, wanted)
    held = [(licence, printer, counts[licence.id]) for licence in licences]
    gathered = cases.gather_all(services, session, held)
    judged = judge_plate([_part(case) for case in gathered], printer.machine["build_volume_mm"], wanted.spots)
    numbers, counted = _numbers(session, gathered)
    reasons = zip(gathered, judged.reasons, counted, strict=True)
    return Look(gathered, judged, numbers, tuple((*c.reasons(), *on_plate, *n) for c, on_plate, n in reasons))


def _part(case: Case) -> PlatePart:
    part, terms = case.part, case.licence.terms
    return PlatePart(
        part.recipe, part.standing_mm or part.size_mm, part.turns, case.owner.id, plates_in(terms)
    )


def _numbers(session: Session, gathered: Sequence[Case]) -> tuple[tuple[int, ...], list[tuple[Reason, ...]]]:
    """Choose the lowest free number for each part, none twice; 0 where there is none, with the reason."""
    taken: dict[str, frozenset[int]] = {}
    numbers, reasons = [], []
    for case in gathered:
        held = taken.get(case.licence.id)
        held = held_numbers(session, case) if held is None else held
        number, against = judge_count(case.permission, held)
        taken[case.licence.id] = held | {number} if number is not None else held
        numbers.append(number or 0)
        reasons.append(against)
    return tuple(numbers), reasons


def _issue(services: Services, session: Session, seen: Look) -> tuple[Plate, Token]:
    first, now = seen.cases[0], services.clock.now()
    token = new_token(PLATE_TOKEN_PREFIX, services.entropy)
    plate = Plate(
        id=new_id(PLATE, services.entropy),
        printer_id=first.printer.id,
        provider_id=first.licence.provider_id,
        parts=len(seen.cases),
        layout=[spot.to_json() for spot in seen.judged.layout],
        token_sha256=token.digest(),
        created_at=now,
    )
    session.add(plate)
    session.flush()
    expires_at = first.now + services.settings.token_ttl_s
    for part, (case, sequence) in enumerate(zip(seen.cases, seen.numbers, strict=True)):
        session.add(
            Print(
                id=new_id(PRINT, services.entropy),
                licence_id=case.licence.id,
                printer_id=plate.printer_id,
                owner_id=case.licence.owner_id,
                provider_id=plate.provider_id,
                state=State.AUTHORISED,
                sequence=sequence,
                token_sha256=part_token(plate.token_sha256, part),
                token_expires_at=expires_at,
                deadline=expires_at + services.settings.claim_grace_s,
                plate_id=plate.id,
                plate_part=part,
                created_at=now,
            )
        )
    return plate, token


def _distinct(gathered: Sequence[Case]) -> list[Case]:
    return list({case.licence.id: case for case in gathered}.values())


def _require_allowed(services: Services, seen: Look) -> None:
    if seen.allowed:
        return
    told = [of_part(part, reason) for part, reasons in enumerate(seen.reasons) for reason in reasons]
    for reason in told:
        services.metrics.refusals.labels(reason.code).inc()
    listed = "; ".join(reason.message for reason in told)
    raise NotPermitted(f"the plate is not permitted: {listed}", reasons=told)
