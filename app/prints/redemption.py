"""Redeem a print token: once, by one printer, counted by the chain before any key is released.

A retry by the same printer with the same Idempotency-Key finds its own redemption and goes on from where it
stands, so a crash between any two steps is healed by repeating the request. Everything else is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlmodel import Session

from app import submission
from app.auth.principals import PrinterPrincipal
from app.clock import rfc3339
from app.errors import Conflict, NotFound, NotPermitted, Reason, TokenSpent
from app.models import Licence, Print, Revision
from app.prints import case as cases
from app.prints import claims, queries, release, transition
from app.prints.case import Case, Counts, claim_of
from app.prints.lifecycle import UNREDEEMED, Event, State
from app.prints.transition import apply
from app.wiring import Services
from ledger.operations import RecordPrint
from ledger.typed_data import PrintClaim
from storage.errors import StorageError

_RELEASED = {State.REDEEMED, State.COMPLETED, State.FAILED, State.CANCELLED}


@dataclass(frozen=True)
class Redemption:
    """What a printer sends: the claim, its signature, and the key under which it may ask again."""

    claim: PrintClaim
    signature: bytes
    key: str


@dataclass(frozen=True)
class Redeemed:
    """How far it came: the release's exact bytes, or None while the chain has not confirmed the print."""

    print_id: str
    state: str
    body: bytes | None


def offer(services: Services, principal: PrinterPrincipal) -> tuple[Print, Case, PrintClaim]:
    """Give what the printer is to sign; TokenSpent where its token leads nowhere any more."""
    with services.database.read() as session:
        row = queries.on_printer(session, principal, principal.print_id or "")
        licence = session.get_one(Licence, row.licence_id)
        case = cases.gather_print(services, session, row, Counts(None, None))
        settle(session, row)
        _require_live(services, row, case.now)
        return row, case, claim_of(row, licence)


@dataclass(frozen=True)
class Begun:
    """A redemption on its way to the chain as `operation`, None where it is past that; `fresh`: since now."""

    print_id: str
    operation: str | None
    fresh: bool = False


Ask: TypeAlias = tuple[PrinterPrincipal, Redemption]


def begin(services: Services, asks: Sequence[Ask]) -> list[Begun | Exception]:
    """Take redemptions of tokens, which their printers have proved to hold, to the point of no return.

    0. (auth) The token was found by its SHA-256 and compared in constant time; the DPoP proof is fresh and
       signed by the key the token was issued to; for anybody else the token does not exist.
    1. A print that is past `authorised` answers only the same Idempotency-Key, within the retry window.
    2. The token's time is not over.
    3. The claim is the one that was issued: licence, number, token digest, deadline.
    4. The printer's enrolled key signed it.
    5. Policy still permits the print: window, revocation, printer, list, machine.
    6. Manifest, licence, terms and list are what was signed; the stored object is whole.
    7. One transaction: authorised → redeeming, the Idempotency-Key, the outbox row.

    Then `finish`: 8. the chain has confirmed the print; 9. only then the key is sealed and the release
    stored, in the transaction that marks the print redeemed.

    Each is judged by itself. They share what is read, what the chain is asked and the transaction, all of it
    after the last of them came. Gives TokenSpent, Invalid, InvalidSignature, NotPermitted, IntegrityBroken or
    ObjectDamaged in the place of who is refused.
    """
    turn = _Turn(services, asks)
    turn.read()
    turn.each(turn.check_claim)
    if turn.going:
        submission.require_healthy(services)
        turn.ask_chain()
        turn.each(turn.check_permitted)
        turn.check_objects()
    if turn.going:
        turn.take()
    return turn.outcomes()


class _Turn:
    """Redemptions that begin together; `going` are the places of those neither refused nor past a step."""

    def __init__(self, services: Services, asks: Sequence[Ask]) -> None:
        self._services = services
        self._asks = asks
        self._outcomes: dict[int, Begun | Exception] = {}
        self._prints: dict[int, Print] = {}
        self._cases: dict[int, Case] = {}
        self._hashes: dict[str, list[bytes]] = {}
        self._operations: dict[int, RecordPrint] = {}

    @property
    def going(self) -> list[int]:
        """Who goes on."""
        return [at for at in range(len(self._asks)) if at not in self._outcomes]

    def outcomes(self) -> list[Begun | Exception]:
        """Give what became of each."""
        return [self._outcomes[at] for at in range(len(self._asks))]

    def each(self, step: Callable[[int], Begun | None]) -> None:
        """Let everyone take a step that ends its way, refuses it by an error, or lets it go on."""
        for at in self.going:
            try:
                outcome = step(at)
            except Exception as error:  # noqa: BLE001 - one refusal, or fault, is one answer
                self._outcomes[at] = error
            else:
                if outcome is not None:
                    self._outcomes[at] = outcome

    def read(self) -> None:
        """Read everything that the rows say, of one moment."""
        with self._services.database.read() as session:
            found = queries.on_printers(session, self._named())
            self.each(lambda at: self._find(session, found, at))
            prints = [(self._prints[at], Counts(None, None)) for at in self.going]
            gathered = cases.gather_prints(self._services, session, prints)
            self._cases = dict(zip(self.going, gathered, strict=True))
            for at in self.going:
                case = self._cases[at]
                if case.licence.printers and case.licence.id not in self._hashes:
                    self._hashes[case.licence.id] = cases.named_hashes(session, case.licence)

    def _named(self) -> list[tuple[PrinterPrincipal, str]]:
        asked = (self._asks[at][0] for at in self.going)
        return [(principal, principal.print_id or "") for principal in asked]

    def _find(self, session: Session, found: Mapping[tuple[str, str], Print], at: int) -> Begun | None:
        principal, redemption = self._asks[at]
        row = found.get((principal.printer_id, principal.print_id or ""))
        if row is None:
            raise NotFound("print", principal.print_id or "")
        settle(session, row)
        self._prints[at] = row
        # (1) the retry
        return None if row.state == State.AUTHORISED else _begun_before(self._services, row, redemption)

    def check_claim(self, at: int) -> None:
        """(2), (3), (4): what needs neither policy nor chain."""
        redemption, row, case = self._asks[at][1], self._prints[at], self._cases[at]
        # (2) the time
        _require_live(self._services, row, case.now)
        # (3) the claim
        claims.require_issued(redemption.claim, claim_of(row, case.licence))
        # (4) the signature
        claims.require_signed(
            self._services.ledger.domain, case.printer, redemption.claim, redemption.signature
        )

    def ask_chain(self) -> None:
        """Ask what the chain counts; it may count a racing retry, so rows are read again at the end."""
        named = {at: self._cases[at].chain_names for at in self.going}
        counts = cases.ask_chain_of(self._services, set(named.values()))
        for at, names in named.items():
            self._cases[at] = replace(self._cases[at], counts=counts[names])

    def check_permitted(self, at: int) -> Begun | None:
        """(5), (6) policy, and what was signed."""
        redemption, row, case = self._asks[at][1], self._prints[at], self._cases[at]
        try:
            _require_permitted(self._services, case, row)
        except NotPermitted:
            overtaken = self._overtaken(at)
            if overtaken is None:
                raise
            return overtaken
        hashes = cases.require_listed(case.licence, self._hashes.get(case.licence.id, []))
        case.require_intact(self._services.ledger.domain)
        self._operations[at] = claims.record_of(case.printer, redemption.claim, redemption.signature, hashes)
        return None

    def _overtaken(self, at: int) -> Begun | None:
        """Tell whether another request redeemed the token meanwhile, and the chain counts that."""
        principal, redemption = self._asks[at]
        with self._services.database.read() as session:
            row = queries.on_printer(session, principal, principal.print_id or "")
            settle(session, row)
        return None if row.state == State.AUTHORISED else _begun_before(self._services, row, redemption)

    def check_objects(self) -> None:
        """(6) each stored object, once for all who want it."""
        damage: dict[str, Exception | None] = {}

        def check(at: int) -> None:
            revision = self._cases[at].revision
            if revision.id not in damage:
                damage[revision.id] = _damage(self._services, revision)
            found = damage[revision.id]
            if found is not None:
                raise found

        self.each(check)

    def take(self) -> None:
        """(7) the point of no return for the tokens; whoever comes second finds its token gone."""
        begun: dict[int, Begun] = {}
        moved: list[dict[str, Any]] = []
        with self._services.database.write() as session:
            found = queries.on_printers(session, self._named())
            self.each(lambda at: self._find(session, found, at))
            prints = [(self._prints[at], self._cases[at].counts) for at in self.going]
            now = dict(zip(self.going, cases.gather_prints(self._services, session, prints), strict=True))
            self.each(lambda at: self._take(session, now[at], begun, at, moved))
            transition.store(session, moved)
        self._outcomes |= begun
        self._services.ledger.wake()

    def _take(
        self, session: Session, case: Case, begun: dict[int, Begun], at: int, moved: list[dict[str, Any]]
    ) -> Begun | None:
        redemption, row = self._asks[at][1], self._prints[at]
        if row.state != State.AUTHORISED:  # another of this very turn
            return _begun_before(self._services, row, redemption)
        _require_live(self._services, row, case.now)
        if not case.same_as(self._cases[at]):
            _require_permitted(self._services, case, row)
        operation = submission.append(session, self._operations[at])
        told = {"redeem_key": redemption.key, "redeemed_at": self._services.clock.now()}
        moved.append(transition.move(row, Event.REDEEM, record_operation=operation, **told))
        begun[at] = Begun(row.id, operation, fresh=True)
        return None


def _begun_before(services: Services, row: Print, redemption: Redemption) -> Begun:
    """(1) the same request again, or nothing."""
    _require_same_redemption(services, row, redemption)
    return Begun(row.id, row.record_operation if row.state == State.REDEEMING else None)


def _damage(services: Services, revision: Revision) -> StorageError | None:
    try:
        cases.check_object(services, revision)
    except StorageError as error:
        return error
    return None


def finish(services: Services, print_ids: Sequence[str]) -> list[Redeemed | Exception]:
    """(8), (9) release what the chain has confirmed; a rejection is a refusal with the contract's reason."""
    concluded = release.conclude_all(services, print_ids)
    finished: dict[str, Redeemed | Exception] = {
        print_id: outcome if isinstance(outcome, Exception) else Redeemed(print_id, State.REDEEMED, outcome)
        for print_id, outcome in concluded.items()
    }
    left = {print_id for print_id in print_ids if print_id not in finished}
    if left:
        with services.database.read() as session:
            rows = cases.rows_of(session, Print, left)
            for print_id, row in rows.items():
                finished[print_id] = _standing(session, row)
    return [finished[print_id] for print_id in print_ids]


def _standing(session: Session, row: Print) -> Redeemed | Exception:
    """Say how far a print came that was not released just now."""
    if row.state == State.REFUSED:
        reasons = [Reason(**reason) for reason in row.reasons]
        listed = "; ".join(reason.message for reason in reasons)
        return NotPermitted(f"the print was refused: {listed}", reasons=reasons)
    if row.state == State.REDEEMING:
        return Redeemed(row.id, row.state, None)
    try:
        found = release.body_of(session, row.id)
    except TokenSpent as error:
        return error
    if found is None:
        remedy = "tell the service's operator"
        return Conflict(f"print {row.id} is {row.state} without a release", remedy=remedy)
    return Redeemed(row.id, row.state, found)


def settle(session: Session, row: Print) -> None:
    """Bring a print in line with the outbox where that needs no key: a rejected record is a refusal."""
    if row.state != State.REDEEMING or row.record_operation is None:
        return
    status = submission.status_of(session, row.record_operation)
    if status.state == submission.REJECTED:
        row.reasons = [submission.rejection(status).to_json()]
        apply(session, row, Event.REFUSE)


def _require_same_redemption(services: Services, row: Print, redemption: Redemption) -> None:
    """(1) the same request again, or nothing."""
    if row.state in UNREDEEMED:
        _refuse_spent(row)
    same_key = hmac.compare_digest((row.redeem_key or "").encode(), redemption.key.encode())
    until = (row.redeemed_at or row.token_expires_at) + services.settings.redeem_retry_s
    if not same_key or services.clock.now() > until:
        raise TokenSpent(
            "the token was redeemed before; it releases one print once",
            remedy="only the same printer's retry with the same Idempotency-Key is answered, for a while",
        )


def _refuse_spent(row: Print) -> None:
    if row.state == State.EXPIRED:
        raise _expired(row)
    if row.state == State.WITHDRAWN:
        raise TokenSpent("the provider withdrew the token's print", remedy="ask the provider for a new token")
    reasons = [Reason(**reason) for reason in row.reasons]
    listed = "; ".join(reason.message for reason in reasons)
    raise TokenSpent(
        f"the token's print was refused: {listed}", reasons=reasons, remedy="ask the provider for a new token"
    )


def _require_live(services: Services, row: Print, now: int) -> None:
    """(2) authorised and in time, or the printer's own redemption under way."""
    if row.state in UNREDEEMED:
        _refuse_spent(row)
    if row.state == State.AUTHORISED and row.token_expires_at <= now:
        raise _expired(row)
    if row.state in _RELEASED and now > (row.redeemed_at or 0) + services.settings.redeem_retry_s:
        raise TokenSpent("the token was redeemed before; it releases one print once")


def _expired(row: Print) -> TokenSpent:
    return TokenSpent(
        f"the token expired at {rfc3339(row.token_expires_at)}; its number is free again",
        remedy="ask the provider for a new token",
    )


def _require_permitted(services: Services, case: Case, row: Print) -> None:
    """(5) everything policy asks, and the number."""
    reasons = case.reasons_at(row.sequence)
    for reason in reasons:
        services.metrics.refusals.labels(reason.code).inc()
    if reasons:
        listed = "; ".join(reason.message for reason in reasons)
        raise NotPermitted(f"the print is not permitted: {listed}", reasons=reasons)
