"""Redeem a plate's token: once, by one printer, all of its prints counted by the chain before any key is
released, or none.

As with single prints, a retry by the same printer with the same Idempotency-Key goes on from where the plate
stands; everything else is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from sqlmodel import Session

from app import submission
from app.auth.principals import PrinterPrincipal
from app.clock import rfc3339
from app.errors import Invalid, InvalidSignature, NotPermitted, TokenSpent
from app.models import Plate, Print, Printer
from app.plates import queries, release
from app.plates.refusal import of_part, reasons_of
from app.prints import case as cases
from app.prints.case import Case, Counts, claim_of
from app.prints.lifecycle import UNREDEEMED, Event, State
from app.prints.transition import apply
from app.wiring import Services
from ledger.operations import RecordPlate
from ledger.typed_data import Domain, PrintClaim, digest, printer_proof, verify_printer_signature
from ledger.typed_data import Plate as PlateStatement


@dataclass(frozen=True)
class Redemption:
    """What a printer sends: the claims in order, its signature over the plate they make, and the key under
    which it may ask again.
    """

    claims: tuple[PrintClaim, ...]
    signature: bytes
    key: str


@dataclass(frozen=True)
class Redeemed:
    """How far it came: the answer's exact bytes, or None while the chain has not confirmed the plate."""

    plate_id: str
    body: bytes | None


@dataclass(frozen=True)
class Begun:
    """A plate on its way to the chain as `operation`, None where it is past that; `fresh`: since now."""

    plate_id: str
    operation: str | None
    fresh: bool = False


Counted: TypeAlias = Mapping[tuple[bytes, bytes | None], Counts]
"""What the chain said of a licence and a printer, by their names on chain."""


@dataclass(frozen=True)
class Offer:
    """A plate with its prints, each with its case and its claim."""

    plate: Plate
    prints: Sequence[Print]
    cases: Sequence[Case]
    claims: tuple[PrintClaim, ...]


def offer(services: Services, principal: PrinterPrincipal) -> Offer:
    """Give what the printer is to sign; TokenSpent where its token leads nowhere any more."""
    with services.database.read() as session:
        found = _gathered(services, session, principal, {})
        require_live(services, found.prints, found.cases[0].now)
        return found


def begin(services: Services, principal: PrinterPrincipal, redemption: Redemption) -> Begun:
    """Take the redemption of a token, which this printer has proved to hold, to the point of no return.

    0. (auth) The token was found by its SHA-256; the DPoP proof is by the key the plate was authorised for.
    1. A plate past `authorised` answers only the same Idempotency-Key, within the retry window.
    2. The token's time is not over.
    3. The claims are those that were issued, all of them, in order.
    4. The printer's enrolled key signed the plate they make.
    5. Policy still permits every print: window, revocation, printer, list, machine, number.
    6. Of each, manifest, licence, terms and list are what was signed; the stored objects are whole.
    7. One transaction: every print authorised → redeeming, the Idempotency-Key, one outbox row.

    Then `finish`: 8. the chain has confirmed the plate; 9. only then all keys are sealed and all releases
    stored, in the one transaction that marks every print redeemed.

    Raises TokenSpent, Invalid, InvalidSignature, NotPermitted, IntegrityBroken, ObjectDamaged.
    """
    with services.database.read() as session:
        found = _gathered(services, session, principal, {})
    # (1) the retry
    if _is_past(services, found, redemption):
        return _begun_before(found)
    # (2) the time
    require_live(services, found.prints, found.cases[0].now)
    # (3) the claims
    _require_issued_claims(redemption.claims, found.claims)
    # (4) the signature
    _require_signed(services.ledger.domain, found.cases[0].printer, redemption)
    # (5), (6) policy, and what was signed; the rows are read after the chain, which may count a racing retry
    submission.require_healthy(services)
    counts = cases.ask_chain_of(services, {case.chain_names for case in found.cases})
    with services.database.read() as session:
        found = _gathered(services, session, principal, counts)
        proofs = [_proof(session, case) for case in found.cases]
    if _is_past(services, found, redemption):
        return _begun_before(found)
    _require_permitted(services, found)
    for case in {case.licence.id: case for case in found.cases}.values():
        case.require_intact(services.ledger.domain)
        cases.check_object(services, case.revision)
    # (7) the transaction
    return _take(services, principal, redemption, counts, _operation(found, redemption, proofs))


def finish(services: Services, begun: Begun) -> Redeemed:
    """(8), (9) release what the chain has confirmed; a rejection is a refusal with the contract's reason."""
    release.conclude(services, begun.plate_id)
    with services.database.read() as session:
        prints = queries.prints_of(session, begun.plate_id)
        if any(each.state == State.REFUSED for each in prints):
            reasons = reasons_of(prints)
            listed = "; ".join(reason.message for reason in reasons)
            raise NotPermitted(f"the plate was refused: {listed}", reasons=reasons)
        if any(each.state == State.REDEEMING for each in prints):
            return Redeemed(begun.plate_id, None)
        return Redeemed(begun.plate_id, release.body_of(session, begun.plate_id, prints))


def require_live(services: Services, prints: Sequence[Print], now: int) -> None:
    """(2) all authorised and in time, or the printer's own redemption under way."""
    for row in prints:
        if row.state in UNREDEEMED:
            _refuse_spent(prints)
    first = prints[0]
    if first.state == State.AUTHORISED and first.token_expires_at <= now:
        raise _expired(first)
    if first.state not in {State.AUTHORISED, State.REDEEMING} and _is_late(services, first):
        raise TokenSpent("the token was redeemed before; it releases one plate once")


def _gathered(
    services: Services,
    session: Session,
    principal: PrinterPrincipal,
    counts: Counted,
) -> Offer:
    """Read the plate, its prints in line with the outbox, and their cases with what the chain said."""
    plate, prints = queries.on_printer(session, principal)
    release.settle(session, prints)
    gathered = cases.gather_prints(services, session, [(row, Counts(None, None)) for row in prints])
    told = [replace(case, counts=counts[case.chain_names]) if counts else case for case in gathered]
    claims = tuple(claim_of(row, case.licence) for row, case in zip(prints, told, strict=True))
    return Offer(plate, prints, told, claims)


def _is_past(services: Services, found: Offer, redemption: Redemption) -> bool:
    """(1) whether the plate is past `authorised`: then the same request again, or nothing."""
    if all(row.state == State.AUTHORISED for row in found.prints):
        return False
    if any(row.state in UNREDEEMED for row in found.prints):
        _refuse_spent(found.prints)
    first = found.prints[0]
    same_key = hmac.compare_digest((first.redeem_key or "").encode(), redemption.key.encode())
    if not same_key or _is_late(services, first):
        raise TokenSpent(
            "the token was redeemed before; it releases one plate once",
            remedy="only the same printer's retry with the same Idempotency-Key is answered, for a while",
        )
    return True


def _begun_before(found: Offer) -> Begun:
    """(1) the same request again: it goes on from where the plate stands."""
    first = found.prints[0]
    return Begun(found.plate.id, first.record_operation if first.state == State.REDEEMING else None)


def _is_late(services: Services, row: Print) -> bool:
    until = (row.redeemed_at or row.token_expires_at) + services.settings.redeem_retry_s
    return services.clock.now() > until


def _refuse_spent(prints: Sequence[Print]) -> None:
    states = {row.state for row in prints}
    if State.REFUSED in states:
        reasons = reasons_of(prints)
        listed = "; ".join(reason.message for reason in reasons)
        raise TokenSpent(
            f"the token's plate was refused: {listed}",
            reasons=reasons,
            remedy="ask the provider for a new token",
        )
    if State.WITHDRAWN in states:
        raise TokenSpent("the provider withdrew the token's plate", remedy="ask the provider for a new token")
    raise _expired(prints[0])


def _expired(row: Print) -> TokenSpent:
    return TokenSpent(
        f"the token expired at {rfc3339(row.token_expires_at)}; the plate's numbers are free again",
        remedy="ask the provider for a new token",
    )


def _require_issued_claims(given: Sequence[PrintClaim], issued: Sequence[PrintClaim]) -> None:
    """(3) one by one, so that the answer names the one at fault."""
    remedy = "sign the claims that GET /v1/plates/claim gives, all of them, in their order"
    if len(given) != len(issued):
        sentence = f"the plate has {len(issued)} claims, these are {len(given)}"
        raise Invalid(sentence, field="claims", remedy=remedy)
    for part, (claim, wanted) in enumerate(zip(given, issued, strict=True)):
        if claim != wanted:
            raise Invalid(f"claim {part} is not the one issued", field=f"claims.{part}", remedy=remedy)


def _require_signed(domain: Domain, printer: Printer, redemption: Redemption) -> None:
    """(4) the enrolled key's signature over the plate."""
    signed = digest(domain, PlateStatement.of(redemption.claims))
    key_x, key_y = printer.key_x or b"", printer.key_y or b""
    if not verify_printer_signature(signed, key_x, key_y, redemption.signature):
        raise InvalidSignature(
            "the signature is not by the printer's enrolled key over the plate of these claims",
            field="signature",
            remedy="sign the Plate's EIP-712 digest with the enrolled key, s in the lower half of the order",
        )


def _require_permitted(services: Services, found: Offer) -> None:
    """(5) everything policy asks of each print, and its number."""
    reasons = []
    for part, (row, case) in enumerate(zip(found.prints, found.cases, strict=True)):
        reasons += [of_part(part, each) for each in case.reasons_at(row.sequence)]
    for reason in reasons:
        services.metrics.refusals.labels(reason.code).inc()
    if reasons:
        listed = "; ".join(reason.message for reason in reasons)
        raise NotPermitted(f"the plate is not permitted: {listed}", reasons=reasons)


def _proof(session: Session, case: Case) -> tuple[bytes, ...]:
    hashes = cases.listed_hashes(session, case.licence)
    return tuple(printer_proof(hashes, case.printer.printer_hash or b"")) if hashes else ()


def _operation(found: Offer, redemption: Redemption, proofs: Sequence[tuple[bytes, ...]]) -> RecordPlate:
    printer = found.cases[0].printer
    return RecordPlate(
        claims=redemption.claims,
        key_x=printer.key_x or b"",
        key_y=printer.key_y or b"",
        signature=redemption.signature,
        proofs=tuple(proofs),
    )


def _take(
    services: Services,
    principal: PrinterPrincipal,
    redemption: Redemption,
    counts: Counted,
    operation: RecordPlate,
) -> Begun:
    """(7) the point of no return for the token; whoever comes second finds it gone."""
    with services.database.write() as session:
        found = _gathered(services, session, principal, counts)
        if _is_past(services, found, redemption):
            return _begun_before(found)
        require_live(services, found.prints, found.cases[0].now)
        _require_permitted(services, found)
        operation_id, now = submission.append(session, operation), services.clock.now()
        for row in found.prints:
            apply(session, row, Event.REDEEM)
            row.redeem_key, row.redeemed_at, row.record_operation = redemption.key, now, operation_id
    services.ledger.wake()
    return Begun(found.plate.id, operation_id, fresh=True)
