"""Printers prove who they are: many at once, with one look at the rows and one transaction that remembers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from app.auth import alarms, dpop, replay, standing
from app.auth.alarms import AlarmKind, ImpossibleUse, TokenUse
from app.auth.principals import PrinterPrincipal
from app.errors import InvalidProof, NonceWanted, Unproven
from app.models import Plate, Print, Printer
from app.tokens import Token
from app.wiring import Services
from ledger.prepared import Prepared


def _by_token(model: type[Print | Plate]) -> Prepared:
    found = select(col(model.token_sha256), col(model.id), col(model.printer_id))
    chosen = found.where(col(model.token_sha256).in_(bindparam("digests", expanding=True)))
    return Prepared(chosen, "digests")


_BY_TOKEN = {model: _by_token(model) for model in (Print, Plate)}
_KEYS = Prepared(
    select(col(Printer.id), Printer.organisation_id, Printer.key_x, Printer.key_y).where(
        col(Printer.id).in_(bindparam("printers", expanding=True))
    ),
    "printers",
)


@dataclass(frozen=True)
class Attempt:
    """A request that names a printer, by a print token or by its id, and has yet to prove to be it."""

    proof: str
    access_token: str
    with_token: bool
    method: str
    url: str
    address: str


@dataclass(frozen=True)
class Proven:
    """What became of an attempt: the printer, or the refusal; a nonce to answer with; an alarm to count.

    Nothing of it tells a stranger more than the refusal does.
    """

    principal: PrinterPrincipal | None = None
    refusal: InvalidProof | None = None
    nonce: str | None = None
    alarm: ImpossibleUse | None = None
    quarantined: bool = False


@dataclass(frozen=True)
class _Subject:
    """Whom an attempt names."""

    printer_id: str
    organisation_id: str
    key: dpop.PublicKey
    print_id: str | None


def prove(services: Services, attempts: Sequence[Attempt]) -> list[Proven]:
    """Say of each attempt whether it proves to be its printer; a proof counts once.

    1. The token is found by its SHA-256 and compared in constant time; one answer for all that is unknown.
    2. The proof is a good one for this request, by the key of the enrolment.
    3. One transaction: its `jti` is new, where the token is used, whether the printer is in quarantine.

    Who is proven goes on before the disk has that: whatever then comes of the request is on the disk no
    earlier, so after a power cut a proof counts again only where nothing came of it.
    """
    with services.database.postponing():
        judged = _judged(services, attempts)
    if any(proven.refusal for proven in judged):
        services.database.settle()
    return judged


def _judged(services: Services, attempts: Sequence[Attempt]) -> list[Proven]:
    now = services.clock.now()
    # (1) who it would be
    with services.database.read() as session:
        subjects = _subjects(session, attempts)
    # (2) the proof
    judged: list[Proven] = []
    good: list[tuple[int, _Subject, dpop.Proof]] = []
    for attempt, subject in zip(attempts, subjects, strict=True):
        if subject is None:
            judged.append(Proven(refusal=dpop.unproven()))
            continue
        outcome, proof = _verify(services, attempt, subject, now)
        if proof is not None:
            good.append((len(judged), subject, proof))
        judged.append(outcome)
    # (3) once
    if good:
        _remember(services, attempts, judged, good, now)
    return judged


def _subjects(session: Session, attempts: Sequence[Attempt]) -> list[_Subject | None]:
    tokens = {at: Token(attempt.access_token) for at, attempt in enumerate(attempts) if attempt.with_token}
    digests = {token.digest() for token in tokens.values()}
    prints = {row[0]: row for row in _authorised(session, Print, digests)}
    if len(prints) < len(digests):
        prints |= {row[0]: row for row in _authorised(session, Plate, digests - prints.keys())}
    named: list[tuple[str | None, str | None]] = []
    for at, attempt in enumerate(attempts):
        row = prints.get(tokens[at].digest()) if attempt.with_token else None
        if not attempt.with_token:
            named.append((attempt.access_token, None))
        elif row is None or not tokens[at].matches(row[0]):
            named.append((None, None))
        else:
            named.append((row[2], row[1]))
    wanted = {printer_id for printer_id, _ in named if printer_id is not None}
    rows = _KEYS.rows(session.connection(), printers=list(wanted)) if wanted else ()
    printers = {
        printer_id: (printer_id, organisation_id, dpop.PublicKey(x, y))
        for printer_id, organisation_id, x, y in rows
        if x is not None and y is not None
    }
    return [
        _Subject(*printers[printer_id], print_id) if printer_id in printers else None
        for printer_id, print_id in named
    ]


def _authorised(
    session: Session, model: type[Print | Plate], digests: Collection[bytes]
) -> Sequence[tuple[bytes, str, str]]:
    """Find what tokens authorise, single prints or plates: digest, id, printer."""
    if not digests:
        return ()
    return _BY_TOKEN[model].rows(session.connection(), digests=list(digests))


def _verify(
    services: Services, attempt: Attempt, subject: _Subject, now: int
) -> tuple[Proven, dpop.Proof | None]:
    """(2) the proof; its token in a stranger's hands is an alarm, after the same answer as ever."""
    printer_id, nonces = subject.printer_id, services.nonces
    try:
        proof = dpop.verify(
            attempt.proof,
            key=subject.key,
            method=attempt.method,
            url=attempt.url,
            access_token=attempt.access_token,
            now=now,
            window_s=services.settings.proof_window_s,
            nonce_until=lambda nonce: nonces.good_until(nonce, printer_id, now),
        )
    except Unproven as refusal:
        return Proven(refusal=refusal, alarm=_wrong_key(attempt, subject, now)), None
    except NonceWanted as refusal:
        return Proven(refusal=refusal, nonce=nonces.give(printer_id, now)), None
    except InvalidProof as refusal:
        return Proven(refusal=refusal), None
    principal = PrinterPrincipal(printer_id, subject.organisation_id, subject.print_id)
    return Proven(principal=principal, nonce=nonces.give(printer_id, now)), proof


def _wrong_key(attempt: Attempt, subject: _Subject, now: int) -> ImpossibleUse | None:
    if subject.print_id is None:
        return None
    proven = "a proof that the printer's key did not sign"
    detail = f"{attempt.address} sent the token of print {subject.print_id} with {proven}"
    return _alarm(AlarmKind.WRONG_KEY, subject, detail, now)


def _alarm(kind: AlarmKind, subject: _Subject, detail: str, now: int) -> ImpossibleUse:
    return ImpossibleUse(kind, subject.printer_id, subject.organisation_id, detail, now)


def _remember(
    services: Services,
    attempts: Sequence[Attempt],
    judged: list[Proven],
    good: Sequence[tuple[int, _Subject, dpop.Proof]],
    now: int,
) -> None:
    """(3) let each proof count once, and complete what was judged."""
    proofs = [(subject.printer_id, proof) for _, subject, proof in good]
    with services.database.write() as session:
        fresh = replay.remember(session, proofs, services.settings.proof_window_s)
        uses = [
            TokenUse(s.printer_id, s.organisation_id, s.print_id, attempts[at].address, now)
            for (at, s, _), new in zip(good, fresh, strict=True)
            if new and s.print_id is not None
        ]
        sightings = iter(alarms.see(session, uses))
        held = standing.held(session, {printer_id for printer_id, _ in proofs})
    for (at, subject, _), new in zip(good, fresh, strict=True):
        if not new:
            detail = f"{attempts[at].address} sent a proof for {attempts[at].method} that was used before"
            alarm = _alarm(AlarmKind.PROOF_REPLAYED, subject, detail, now)
            judged[at] = Proven(refusal=replay.replayed(), nonce=judged[at].nonce, alarm=alarm)
            continue
        alarm_or_none = next(sightings) if subject.print_id is not None else None
        judged[at] = replace(judged[at], alarm=alarm_or_none, quarantined=subject.printer_id in held)
