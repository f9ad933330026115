"""Redeem a print token: once, by one printer, counted by the chain before any key is released.

A retry by the same printer with the same Idempotency-Key finds its own redemption and goes on from where it
stands, so a crash between any two steps is healed by repeating the request. Everything else is refused.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from sqlmodel import Session

from app import submission
from app.auth.principals import PrinterPrincipal
from app.clock import rfc3339
from app.errors import Conflict, Invalid, InvalidSignature, NotPermitted, Reason, TokenSpent
from app.models import Licence, Print, Printer
from app.prints import case as cases
from app.prints import queries, release
from app.prints.case import Case, Counts, claim_of
from app.prints.lifecycle import UNREDEEMED, Event, State
from app.prints.transition import apply
from app.wiring import Services
from ledger.operations import RecordPrint
from ledger.typed_data import Domain, PrintClaim, digest, printer_proof, verify_printer_signature

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


def redeem(services: Services, principal: PrinterPrincipal, redemption: Redemption) -> Redeemed:
    """Redeem the token this printer has proved to hold.

    0. (auth) The token was found by its SHA-256 and compared in constant time; the DPoP proof is fresh and
       signed by the key the token was issued to; for anybody else the token does not exist.
    1. A print that is past `authorised` answers only the same Idempotency-Key, within the retry window.
    2. The token's time is not over.
    3. The claim is the one that was issued: licence, number, token digest, deadline.
    4. The printer's enrolled key signed it.
    5. Policy still permits the print: window, revocation, printer, list, machine.
    6. Manifest, licence, terms and list are what was signed; the stored object is whole.
    7. One transaction: authorised → redeeming, the Idempotency-Key, the outbox row.
    8. The chain has confirmed the print.
    9. Only then the key is sealed and the release stored, in the transaction that marks the print redeemed.

    Raises TokenSpent, Invalid, InvalidSignature, NotPermitted, IntegrityBroken, ObjectDamaged.
    """
    with services.database.read() as session:
        row = queries.on_printer(session, principal, principal.print_id or "")
        settle(session, row)
        licence = session.get_one(Licence, row.licence_id)
        printer = session.get_one(Printer, row.printer_id)
        now = submission.now(services, session)
    # (1) the retry
    if row.state != State.AUTHORISED:
        _require_same_redemption(services, row, redemption)
        return _await_release(services, row.id)
    # (2) the time
    _require_live(services, row, now)
    # (3) the claim
    _require_issued_claim(redemption.claim, claim_of(row, licence))
    # (4) the signature
    _require_signed(services.ledger.domain, printer, redemption)
    # (5), (6) policy, and what was signed; the row is read after the chain, which may count a racing retry
    submission.require_healthy(services)
    counts = cases.ask_chain(services, licence.licence_hash, printer.printer_hash)
    with services.database.read() as session:
        row = queries.on_printer(session, principal, row.id)
        case = cases.gather_print(services, session, row, counts)
        hashes = cases.listed_hashes(session, case.licence)
    if row.state != State.AUTHORISED:
        _require_same_redemption(services, row, redemption)
        return _await_release(services, row.id)
    _require_permitted(services, case, row)
    case.require_intact(services.ledger.domain)
    cases.check_object(services, case.revision)
    # (7) the transaction
    _begin(services, principal, redemption, counts, _operation(printer, redemption, hashes))
    # (8), (9) the chain, then the release
    return _await_release(services, row.id)


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


def _require_issued_claim(claim: PrintClaim, issued: PrintClaim) -> None:
    """(3) field by field, so that the answer names the one at fault."""
    given, expected = claim.to_json(), issued.to_json()
    for name, value in expected.items():
        if given[name] != value:
            raise Invalid(
                f"the claim's {name} is not the one that was issued",
                field=f"claim.{name}",
                remedy="sign the claim that GET /v1/prints/claim gives",
            )


def _require_signed(domain: Domain, printer: Printer, redemption: Redemption) -> None:
    """(4) the enrolled key's signature over the claim."""
    signed = digest(domain, redemption.claim)
    key_x, key_y = printer.key_x or b"", printer.key_y or b""
    if not verify_printer_signature(signed, key_x, key_y, redemption.signature):
        raise InvalidSignature(
            "the signature is not by the printer's enrolled key over this claim",
            field="signature",
            remedy="sign the claim's EIP-712 digest with the enrolled key, s in the lower half of the order",
        )


def _require_permitted(services: Services, case: Case, row: Print) -> None:
    """(5) everything policy asks, and the number."""
    reasons = list(case.reasons())
    if case.counts.counted(row.sequence):
        reasons.append(
            Reason("sequence_used", f"print number {row.sequence} is recorded already", "contract")
        )
    if row.sequence > case.permission.allowed:
        message = f"print number {row.sequence} is beyond the {case.permission.allowed} permitted"
        reasons.append(Reason("count_exhausted", message))
    for reason in reasons:
        services.metrics.refusals.labels(reason.code).inc()
    if reasons:
        listed = "; ".join(reason.message for reason in reasons)
        raise NotPermitted(f"the print is not permitted: {listed}", reasons=reasons)


def _operation(printer: Printer, redemption: Redemption, hashes: list[bytes]) -> RecordPrint:
    proof = printer_proof(hashes, printer.printer_hash or b"") if hashes else []
    return RecordPrint(
        claim=redemption.claim,
        key_x=printer.key_x or b"",
        key_y=printer.key_y or b"",
        signature=redemption.signature,
        proof=tuple(proof),
    )


def _begin(
    services: Services,
    principal: PrinterPrincipal,
    redemption: Redemption,
    counts: Counts,
    operation: RecordPrint,
) -> None:
    """(7) the point of no return for the token; whoever comes second finds it gone."""
    with services.database.write() as session:
        row = queries.on_printer(session, principal, principal.print_id or "")
        if row.state != State.AUTHORISED:
            _require_same_redemption(services, row, redemption)
            return
        case = cases.gather_print(services, session, row, counts)
        _require_live(services, row, case.now)
        _require_permitted(services, case, row)
        apply(session, row, Event.REDEEM)
        row.redeem_key, row.redeemed_at = redemption.key, services.clock.now()
        row.record_operation = submission.append(session, operation)


def _await_release(services: Services, print_id: str) -> Redeemed:
    """(8), (9) wait for the chain, then release; a rejection is a refusal with the contract's reason."""
    with services.database.read() as session:
        row = session.get_one(Print, print_id)
    if row.state == State.REDEEMING and row.record_operation is not None:
        submission.wait(services, row.record_operation, services.settings.redeem_timeout_s)
        release.conclude(services, print_id)
        with services.database.read() as session:
            row = session.get_one(Print, print_id)
    if row.state == State.REFUSED:
        reasons = [Reason(**reason) for reason in row.reasons]
        listed = "; ".join(reason.message for reason in reasons)
        raise NotPermitted(f"the print was refused: {listed}", reasons=reasons)
    if row.state == State.REDEEMING:
        return Redeemed(row.id, row.state, None)
    with services.database.read() as session:
        found = release.body_of(session, print_id)
    if found is None:
        raise Conflict(
            f"print {print_id} is {row.state} without a release", remedy="tell the service's operator"
        )
    return Redeemed(row.id, row.state, found)
