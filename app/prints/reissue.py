"""Re-issue: the owner licenses one print in the place of one that came to nothing.

The contract knows no such thing and needs none. The new licence is for one print of the same revision, on the
same terms, by the same provider on the same printers. Its salt is made from the name of the print it replaces
(`ledger.commitment.reissue_salt`), so whoever sees the chain sees what was replaced, and how often; the
service lets it be once. The print that is replaced keeps its state: a late outcome of it is still recorded.
Where the owner holds the key, it is sealed again, to the printers listed that are not stopped.
"""

from __future__ import annotations

from dataclasses import replace

from sqlmodel import Session, col, select

from app import idempotency, submission
from app.accounts.signing import signature_of
from app.auth.principals import Principal
from app.auth.standing import open_quarantine
from app.clock import rfc3339
from app.designs.custody import custody_of
from app.designs.living import require_living
from app.encodings import from_hex
from app.errors import Conflict, Invalid
from app.idempotency import Attempt, Made
from app.licences import queries as licence_queries
from app.licences import service
from app.licences.drafting import Draft
from app.licences.states import LicenceState
from app.models import Licence, Organisation, Print, Printer, Reissue, Revision
from app.printers.service import settle as settle_printer
from app.printers.states import PrinterState
from app.prints import outcome, overdue, queries, recorded
from app.prints.lifecycle import State
from app.prints.schemas import ReissueRequest
from app.wiring import Services
from ledger.commitment import reissue_salt
from ledger.operations import Grant
from ledger.typed_data import Result, print_id

_GONE = {PrinterState.RETIRING, PrinterState.RETIRED}


def prepare(services: Services, principal: Principal, replaced: str, body: ReissueRequest) -> Draft:
    """Build the statement that would replace a print; nothing is stored.

    Raises NotFound, Conflict where the print is not to be replaced, Invalid for the window.
    """
    starts_at, expires_at = _window(services, body)
    with services.database.read() as session:
        return _draft(services, session, principal, replaced, (starts_at, expires_at))


def reissue(
    services: Services, request: Attempt, principal: Principal, replaced: str, body: ReissueRequest
) -> Made:
    """Grant a licence for one print in place of another, on chain, and wait a while.

    1. A repeat gets what the first one got.
    2. The print is of the caller's design, and came to nothing (`_require_lost`).
    3. The owner signed the statement, or the service does for a managed one; the contract would take it.
    4. One transaction, holding the print: judged again, replaced by nothing yet; licence, keys, outbox row.

    Raises what `prepare` raises, InvalidSignature and LedgerRejected.
    """
    # (1) the repeat
    with services.database.read() as session:
        made = idempotency.recall(session, services, request) or _earlier(session, principal, replaced, body)
    if made is None:
        # (2) the print
        prepared = prepare(services, principal, replaced, body)
        # (3) the signature
        supplied = from_hex(body.signature) if body.signature else None
        signature = signature_of(services, prepared.owner, prepared.statement, supplied)
        operation = Grant(prepared.statement, signature)
        submission.require_acceptable(services, operation)
        # (4) the transaction
        made = _store(services, request, principal, replaced, body, operation)
    service.wait_for_grant(services, made.row_id)
    return made


def _store(
    services: Services,
    request: Attempt,
    principal: Principal,
    replaced: str,
    body: ReissueRequest,
    operation: Grant,
) -> Made:
    window = operation.licence.starts_at, operation.licence.expires_at
    with services.database.write() as session:
        queries.hold(session, replaced)
        made = idempotency.recall(session, services, request) or _earlier(session, principal, replaced, body)
        if made is not None:
            return made
        prepared = _draft(services, session, principal, replaced, window)
        row = service.add(services, session, prepared, operation, body.sealed_keys)
        rejected = session.get(Reissue, replaced)
        if rejected is not None:
            session.delete(rejected)
            session.flush()
        session.add(Reissue(print_id=replaced, licence_id=row.id))
        return idempotency.keep(session, services, request, row.id)


def _earlier(session: Session, principal: Principal, replaced: str, body: ReissueRequest) -> Made | None:
    """Find the licence that replaces the print already; Conflict where another window is asked for now.

    One that the contract rejected replaces nothing, and gives way to one of another window.
    """
    queries.owned(session, principal, replaced)
    found = licence_queries.replacement(session, replaced)
    if found is None:
        return None
    service.settle(session, found)
    starts_at = int(body.starts_at.timestamp()) if body.starts_at else found.starts_at
    if (found.starts_at, found.expires_at) == (starts_at, int(body.expires_at.timestamp())):
        return Made(found.id, None, repeated=True)
    if found.state == LicenceState.REJECTED:
        return None
    raise Conflict(
        f"print {replaced} was replaced by licence {found.id}, and a print is replaced once",
        remedy="grant another licence where more prints are to be made",
    )


def _window(services: Services, body: ReissueRequest) -> tuple[int, int]:
    now = services.clock.now()
    starts_at = int(body.starts_at.timestamp()) if body.starts_at else now
    expires_at = int(body.expires_at.timestamp())
    if expires_at <= max(starts_at, now):
        raise Invalid(
            "expires_at must lie ahead, and after starts_at", field="expires_at", remedy="choose a later end"
        )
    return starts_at, expires_at


def _draft(
    services: Services, session: Session, principal: Principal, replaced: str, window: tuple[int, int]
) -> Draft:
    row = queries.owned(session, principal, replaced)
    licence = session.get_one(Licence, row.licence_id)
    revision = session.get_one(Revision, licence.revision_id)
    require_living(session, revision.design_id)
    _require_lost(services, session, row, licence)
    printers = _listed(session, licence)
    statement = replace(
        service.statement_of(licence),
        prints=1,
        reprints=0,
        starts_at=window[0],
        expires_at=window[1],
        salt=reissue_salt(print_id(licence.licence_hash, row.sequence)),
    )
    return Draft(
        statement=statement,
        owner=session.get_one(Organisation, licence.owner_id),
        provider=session.get_one(Organisation, licence.provider_id),
        revision=revision,
        custody=custody_of(session, revision),
        printers={each.id: each.printer_hash or b"" for each in printers},
        suites={each.id: each.sealing_suite or "" for each in printers if _takes_keys(session, each)},
        terms=licence.terms,
        terms_salt=licence.terms_salt,
        request={"starts_at": rfc3339(window[0]), "expires_at": rfc3339(window[1])},
    )


def _require_lost(services: Services, session: Session, row: Print, licence: Licence) -> None:
    """Refuse to replace a print that was made, may still be made, or was given back already."""
    outcome.settle(session, row)
    found = recorded.by_print(session, licence.licence_hash, row.sequence)
    if found is not None and found.result != Result.FAILED:
        raise _kept(row, f"the ledger has its outcome: {found.result.name.lower()}")
    if found is not None and found.credited:
        raise _kept(row, "the licence got it back when it failed", "authorise the reprint")
    withheld = row.state == State.REFUSED and row.holds_sequence
    if found is not None or withheld:
        return
    if row.state != State.REDEEMED or row.outcome_operation is not None:
        raise _kept(row, f"it is {row.state}", "wait for its outcome")
    due_s = services.settings.outcome_due_s
    if not overdue.is_overdue(row, services.clock.now(), due_s) and not _is_stopped(session, row.printer_id):
        until = rfc3339(overdue.due_at(row, due_s) or 0)
        raise _kept(row, f"its outcome may come until {until}", "wait, or have its printer retired")


def _kept(row: Print, why: str, remedy: str = "grant a licence of its own for another print") -> Conflict:
    return Conflict(f"print {row.id} is not replaced: {why}", remedy=remedy)


def _is_stopped(session: Session, printer_id: str) -> bool:
    """Tell whether a printer is retired, about to be, or in quarantine."""
    row = session.get_one(Printer, printer_id)
    settle_printer(session, row)
    return row.state != PrinterState.ENROLLED or open_quarantine(session, printer_id) is not None


def _takes_keys(session: Session, row: Printer) -> bool:
    """Tell whether a printer may be given a key anew; one that has a successor prints no more."""
    return row.successor_id is None and not _is_stopped(session, row.id)


def _listed(session: Session, licence: Licence) -> list[Printer]:
    """Give the printers a licence lists, in its order; Conflict where there are some and none can print."""
    query = select(Printer).where(col(Printer.id).in_(licence.printers))
    found = {row.id: row for row in session.exec(query).all()} if licence.printers else {}
    rows = [found[printer_id] for printer_id in licence.printers]
    for row in rows:
        settle_printer(session, row)
    if rows and all(row.state in _GONE or row.successor_id is not None for row in rows):
        raise Conflict(
            f"every printer that licence {licence.id} lists is retired or has new keys, so nobody could print"
            " under another",
            remedy="grant a licence that lists other printers",
        )
    return rows
