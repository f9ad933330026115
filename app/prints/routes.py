"""HTTP routes of prints and releases."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from sqlmodel import Session

from app import idempotency, submission
from app.auth.principals import Principal
from app.clock import rfc3339
from app.dependencies import (
    Cursor,
    IdempotencyKey,
    Limit,
    OwnerCaller,
    PrinterCaller,
    ProviderCaller,
    ReaderCaller,
    ReportingCaller,
    RequiredIdempotencyKey,
    ServicesDep,
    TokenCaller,
)
from app.designs.stored import file_of
from app.encodings import DomainView, from_hex, to_hex
from app.licences import queries as licence_queries
from app.licences.schemas import LicenceView
from app.licences.views import counts_of, licence_view
from app.models import Licence, Print, Printer
from app.pages import Page, page
from app.preconditions import IfMatch
from app.prints import authorisation, outcome, queries, ranges, redemption, reissue, release
from app.prints import overdue as lateness
from app.prints.authorisation import Wanted
from app.prints.desk import PrintDesk
from app.prints.redemption import Redemption
from app.prints.schemas import (
    CheckView,
    ClaimView,
    OutcomeRequest,
    OutcomeView,
    PrintAuthorised,
    PrintRequest,
    PrintView,
    ReasonView,
    RedeemRequest,
    RedemptionPending,
    ReissuePrepared,
    ReissueRequest,
    ReleaseView,
)
from app.prints.views import print_view
from app.wiring import Services
from ledger.typed_data import PrintClaim, typed_data

router = APIRouter(prefix="/v1", tags=["prints"])


@router.post("/prints/redeem", response_model=ReleaseView, responses={202: {"model": RedemptionPending}})
async def redeem(
    body: RedeemRequest, caller: TokenCaller, request: Request, key: RequiredIdempotencyKey
) -> Response:
    """Redeem a token: the print is counted on chain, then its key is released; 202 while the chain has not
    confirmed.

    A repeat with the same Idempotency-Key and a fresh proof gets the same bytes again.
    """
    wanted = Redemption(PrintClaim.from_json(body.claim), from_hex(body.signature), key)
    desk: PrintDesk = request.app.state.desk
    done = await desk.redeem(caller, wanted)
    if done.body is None:
        pending = RedemptionPending(print_id=done.print_id, state=done.state)
        headers = {"Retry-After": "1"}
        return Response(pending.model_dump_json(), 202, headers, media_type="application/json")
    return Response(done.body, media_type="application/json")


def _show(services: Services, caller: Principal, print_id: str) -> Callable[[Session], PrintView]:
    return lambda session: print_view(session, services, queries.print_of(session, caller, print_id))


@router.post("/prints/check")
def check(body: PrintRequest, caller: ProviderCaller, services: ServicesDep) -> CheckView:
    """Ask whether a print would be permitted, with every reason why not; nothing is reserved."""
    reasons = authorisation.check(services, caller, Wanted(body.licence_id, body.printer_id))
    return CheckView(allowed=not reasons, reasons=[ReasonView(**reason.to_json()) for reason in reasons])


@router.post("/prints", status_code=201)
def authorise(
    body: PrintRequest, caller: ProviderCaller, services: ServicesDep, key: RequiredIdempotencyKey
) -> PrintAuthorised:
    """Authorise a print on one printer; the answer shows its token, this once."""
    request = idempotency.attempt(caller.organisation_id, key, "prints", body.model_dump(mode="json"))
    made = authorisation.authorise(services, request, caller, Wanted(body.licence_id, body.printer_id))
    with services.database.read() as session:
        row = queries.print_of(session, caller, made.row_id)
        return PrintAuthorised(
            id=row.id,
            state=row.state,
            sequence=row.sequence,
            token=made.secret.reveal() if made.secret else "",
            token_expires_at=rfc3339(row.token_expires_at),
            licence_hash=to_hex(session.get_one(Licence, row.licence_id).licence_hash),
            printer_hash=to_hex(session.get_one(Printer, row.printer_id).printer_hash or b""),
        )


@router.get("/prints/claim")
def claim(caller: TokenCaller, services: ServicesDep) -> ClaimView:
    """Show a printer what its token wants signed, and all it needs to judge beforehand."""
    row, case, statement = redemption.offer(services, caller)
    domain = services.ledger.domain
    return ClaimView(
        print_id=row.id,
        claim=statement.to_json(),
        domain=DomainView(chain_id=domain.chain_id, contract=domain.contract),
        printer_hash=to_hex(case.printer.printer_hash or b""),
        manifest=case.revision.manifest or "",
        salt=to_hex(case.revision.salt or b""),
        commitment=to_hex(case.revision.commitment or b""),
        revision_hash=to_hex(case.revision.revision_hash or b""),
        licence=case.licence.statement,
    )


@router.get("/releases/{release_id}/object", response_class=StreamingResponse)
def download(
    release_id: str,
    caller: PrinterCaller,
    services: ServicesDep,
    range_header: Annotated[str | None, Header(alias="Range")] = None,
) -> StreamingResponse:
    """Stream the ciphertext of a release, or a part of it (`Range`)."""
    with services.database.read() as session:
        row = queries.release_to(session, caller, release_id)
        stored, _ = file_of(release.revision_of(session, row))
    part = ranges.read(range_header, stored.ciphertext_bytes)
    start, length = (part.start, part.length) if part else (0, stored.ciphertext_bytes)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(length)}
    if part:
        headers["Content-Range"] = part.content_range
    pieces = services.vault.ciphertext(stored, start, length)
    return StreamingResponse(pieces, 206 if part else 200, headers, media_type="application/octet-stream")


@router.post("/prints/{print_id}/outcome", responses={202: {"model": OutcomeView}})
def report(
    print_id: str, body: OutcomeRequest, response: Response, caller: ReportingCaller, services: ServicesDep
) -> OutcomeView:
    """Report how a print ended, signed by its printer; 202 while the chain has not confirmed it."""
    status = outcome.report(services, caller, print_id, body)
    if status.state != submission.CONFIRMED:
        response.status_code = 202
    with services.database.read() as session:
        row = queries.on_printer(session, caller, print_id)
        outcome.settle(session, row)
        return OutcomeView(print_id=row.id, state=row.state, receipt=submission.receipt(status))


@router.get("/prints")
def list_prints(
    caller: ReaderCaller,
    services: ServicesDep,
    overdue: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PrintView]:
    """List the prints you are a party of; with `overdue=true` those whose outcome is late."""
    with services.database.read() as session:
        query = queries.prints(caller)
        if overdue:
            query = query.where(lateness.overdue(services.clock.now(), services.settings.outcome_due_s))
        return page(session, query, Print.id, lambda row: print_view(session, services, row), limit, cursor)


@router.get("/prints/{print_id}")
def get_print(print_id: str, caller: ReaderCaller, services: ServicesDep) -> PrintView:
    """Show a print."""
    with services.database.read() as session:
        return _show(services, caller, print_id)(session)


@router.post("/prints/{print_id}/withdraw")
def withdraw(print_id: str, caller: ProviderCaller, services: ServicesDep, match: IfMatch) -> PrintView:
    """Take back an authorisation whose token is not redeemed yet; its number is free again."""
    with match.holding(services.database, _show(services, caller, print_id)):
        authorisation.withdraw(services, caller, print_id)
    return get_print(print_id, caller, services)


@router.post("/prints/{print_id}/reissue/prepare")
def prepare_reissue(
    print_id: str, body: ReissueRequest, caller: OwnerCaller, services: ServicesDep
) -> ReissuePrepared:
    """Build the licence to sign in place of a print; nothing is stored. Send `request` with a signature."""
    prepared = reissue.prepare(services, caller, print_id, body)
    return ReissuePrepared(
        request=prepared.request,
        licence=prepared.statement.to_json(),
        licence_hash=to_hex(prepared.statement.struct_hash()),
        typed_data=typed_data(services.ledger.domain, prepared.statement),
        printers={printer_id: to_hex(name) for printer_id, name in prepared.printers.items()},
    )


@router.post("/prints/{print_id}/reissue", status_code=201)
def reissue_print(
    print_id: str,
    body: ReissueRequest,
    caller: OwnerCaller,
    services: ServicesDep,
    key: IdempotencyKey = None,
) -> LicenceView:
    """License one print in the place of one that came to nothing; a print is replaced once.

    That is one whose outcome is overdue or whose printer is retired or in quarantine, one that failed and was
    not credited, or one whose key was withheld. A late outcome of it is still recorded.
    """
    content = {"print": print_id, "body": body.model_dump(mode="json")}
    request = idempotency.attempt(caller.organisation_id, key, "reissues", content)
    made = reissue.reissue(services, request, caller, print_id, body)
    with services.database.read() as session:
        row = licence_queries.licence(session, caller, made.row_id)
        return licence_view(session, row, counts_of(services, row.licence_hash))
