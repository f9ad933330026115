"""HTTP routes of printers."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Response
from sqlmodel import Session

from app import idempotency
from app.accounts import queries as accounts
from app.accounts.signing import address_of
from app.auth.principals import Principal
from app.dependencies import (
    Cursor,
    IdempotencyKey,
    Limit,
    PartyCaller,
    ProviderCaller,
    ReportingCaller,
    ServicesDep,
    WardenCaller,
    public,
)
from app.encodings import DomainView, to_hex
from app.idempotency import Made
from app.models import Alarm, Printer
from app.pages import Page, page
from app.preconditions import IfMatch
from app.printers import enrolment, facts, quarantine, queries, service, succession
from app.printers.schemas import (
    AlarmView,
    ApproveRequest,
    EnrolAnswer,
    EnrolledPrinter,
    EnrolRequest,
    MachineFacts,
    PrinterCreate,
    PrinterCreated,
    PrinterView,
    QuarantineRequest,
    RetireRequest,
    StandingView,
)
from app.printers.views import alarm_view, enrolled_printer, printer_view, standing_view
from app.wiring import Services

router = APIRouter(prefix="/v1", tags=["printers"])


def _show(services: Services, caller: Principal, printer_id: str) -> Callable[[Session], PrinterView]:
    return lambda session: printer_view(services, session, queries.printer(session, caller, printer_id))


def _shown(services: Services, caller: Principal, printer_id: str) -> PrinterView:
    with services.database.read() as session:
        return _show(services, caller, printer_id)(session)


def _created(services: Services, caller: Principal, made: Made) -> PrinterCreated:
    view = _shown(services, caller, made.row_id)
    code = made.secret.reveal() if made.secret else ""
    return PrinterCreated(
        **view.model_dump(), enrolment_code=code, expires_at=view.enrolment_expires_at or view.created_at
    )


def _ward(services: Services, caller: Principal, printer_id: str) -> Callable[[Session], PrinterView]:
    """Show a printer to who may stop it, which the operator may."""
    return lambda session: printer_view(services, session, quarantine.warded(session, caller, printer_id))


def _warded(services: Services, caller: Principal, printer_id: str) -> PrinterView:
    with services.database.read() as session:
        return _ward(services, caller, printer_id)(session)


@router.post("/printers", status_code=201)
def create_printer(
    body: PrinterCreate, caller: ProviderCaller, services: ServicesDep, key: IdempotencyKey = None
) -> PrinterCreated:
    """Add a machine; the answer shows its enrolment code, this once."""
    request = idempotency.attempt(caller.organisation_id, key, "printers", body.model_dump(mode="json"))
    return _created(services, caller, service.create_printer(services, request, caller, body))


@router.post(
    "/printers/enrol",
    dependencies=[public("the one-time enrolment code is the credential, and possession of the keys")],
)
def enrol(body: EnrolRequest, services: ServicesDep) -> EnrolAnswer:
    """Enrol as a printer: send code and keys, sign the statements that come back, send it all again with the
    signatures.

    Where keys rotate, the keys of before sign the succession. A device that attests its keys sends its
    evidence before the signatures, and opens the challenge that comes back. Until the code expires the same
    device with the same keys is answered again, so a lost answer loses nothing; nobody else is.
    """
    asked = enrolment.enrol(services, body)
    printer, statements, domain = asked.printer, asked.statements, services.ledger.domain
    return EnrolAnswer(
        printer_id=printer.id,
        printer_hash=to_hex(statements.sealing.printer),
        state=printer.state,
        enrolment=statements.enrolment.to_json(),
        sealing=statements.sealing.to_json(),
        succession=statements.succession.to_json() if statements.succession else None,
        challenge=asked.challenge,
        domain=DomainView(chain_id=domain.chain_id, contract=domain.contract),
        provider=statements.enrolment.provider,
    )


@router.get("/printers")
def list_printers(
    caller: ProviderCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[PrinterView]:
    """List your printers."""
    with services.database.read() as session:
        query = queries.printers(caller)
        show = partial(printer_view, services, session)
        return page(session, query, Printer.id, show, limit, cursor)


@router.get("/printers/self")
def get_standing(caller: ReportingCaller, services: ServicesDep) -> StandingView:
    """Tell a printer where it stands, in quarantine too, and the digests of its live tokens."""
    with services.database.read() as session:
        return standing_view(services, session, session.get_one(Printer, caller.printer_id))


@router.get("/printers/{printer_id}")
def get_printer(printer_id: str, caller: ProviderCaller, services: ServicesDep) -> PrinterView:
    """Show one of your printers: state, enrolment, the thumbprint of its key."""
    return _shown(services, caller, printer_id)


@router.put("/printers/{printer_id}/facts")
def state_facts(
    printer_id: str, body: MachineFacts, caller: ProviderCaller, services: ServicesDep, match: IfMatch
) -> PrinterView:
    """State site, qualifications, export clearances and calibration of a machine, in place of those before.

    Each statement is recorded with its time and the API key that made it.
    """
    with match.holding(services.database, _show(services, caller, printer_id)):
        facts.state_facts(services, caller, printer_id, body)
    return _shown(services, caller, printer_id)


@router.post("/printers/{printer_id}/approve", responses={202: {"model": PrinterView}})
def approve(
    printer_id: str,
    response: Response,
    caller: ProviderCaller,
    services: ServicesDep,
    match: IfMatch,
    body: ApproveRequest | None = None,
) -> PrinterView:
    """Approve the printer's key, on chain; compare the thumbprint with the device first."""
    with match.holding(services.database, _show(services, caller, printer_id)):
        done = service.approve(services, caller, printer_id, body.signature_bytes() if body else None)
    if not done:
        response.status_code = 202
    return _shown(services, caller, printer_id)


@router.post("/printers/{printer_id}/rotate", status_code=201)
def rotate(
    printer_id: str, caller: ProviderCaller, services: ServicesDep, key: IdempotencyKey = None
) -> PrinterCreated:
    """Let a printer's keys rotate: make its successor, with the same machine facts; the answer shows the code
    for `partvault-printer rotate`, this once.

    The successor is approved as any printer. From then on the first one gets no new prints, ends what it
    redeemed, and is retired when nothing of it is under way: by the service where it signs for the provider,
    else by the provider (`retirement` of the first one says when and what to sign). A licence that lists
    printers does not cover the successor.
    """
    request = idempotency.attempt(caller.organisation_id, key, f"printers/{printer_id}/rotate", {})
    return _created(services, caller, succession.open_rotation(services, request, caller, printer_id))


@router.post("/printers/{printer_id}/retire", responses={202: {"model": PrinterView}})
def retire(
    printer_id: str,
    response: Response,
    caller: ProviderCaller,
    services: ServicesDep,
    match: IfMatch,
    body: RetireRequest | None = None,
) -> PrinterView:
    """Retire the printer for good, on chain.

    `retirement` of the printer is what an external account signs. After a rotation that of the first printer
    is `due` when nothing of it is under way; where the service signs for the provider it does so itself.
    """
    with match.holding(services.database, _show(services, caller, printer_id)):
        done = service.retire(services, caller, printer_id, body.signature_bytes() if body else None)
    if not done:
        response.status_code = 202
    return _shown(services, caller, printer_id)


@router.post("/printers/{printer_id}/quarantine")
def put_in_quarantine(
    printer_id: str, body: QuarantineRequest, caller: WardenCaller, services: ServicesDep, match: IfMatch
) -> PrinterView:
    """Put a printer in quarantine: from now on nothing is authorised for it or released to it."""
    with match.holding(services.database, _ward(services, caller, printer_id)):
        quarantine.place(services, caller, printer_id, body.reason)
    return _warded(services, caller, printer_id)


@router.post("/printers/{printer_id}/lift")
def lift_quarantine(
    printer_id: str, caller: WardenCaller, services: ServicesDep, match: IfMatch
) -> PrinterView:
    """Lift a printer's quarantine; the operator's own is the operator's to lift."""
    with match.holding(services.database, _ward(services, caller, printer_id)):
        quarantine.lift(services, caller, printer_id)
    return _warded(services, caller, printer_id)


@router.get("/alarms")
def list_alarms(
    caller: WardenCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[AlarmView]:
    """List impossible uses of your printers' credentials; the operator sees those of all printers."""
    with services.database.read() as session:
        return page(session, queries.alarms(caller), Alarm.id, alarm_view, limit, cursor)


@router.get("/parties/{party_id}/printers")
def list_party_printers(
    party_id: str, _caller: PartyCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[EnrolledPrinter]:
    """List a party's enrolled printers with their keys; verify the keys against the ledger before use."""
    with services.database.read() as session:
        provider = address_of(accounts.party(session, party_id))
        query = queries.enrolled(party_id)
        show = partial(enrolled_printer, services, provider=provider)
        return page(session, query, Printer.id, show, limit, cursor)
