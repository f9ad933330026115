"""HTTP routes of plates."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from app import idempotency
from app.auth.principals import Principal
from app.dependencies import ProviderCaller, ReaderCaller, RequiredIdempotencyKey, ServicesDep, TokenCaller
from app.encodings import DomainView, from_hex, to_hex
from app.plates import authorisation, queries, redemption
from app.plates.authorisation import Wanted
from app.plates.desk import PlateDesk
from app.plates.redemption import Redemption
from app.plates.schemas import (
    PartCheck,
    PartOffer,
    PlateAuthorised,
    PlateCheck,
    PlateClaimView,
    PlatePending,
    PlateRedeemRequest,
    PlateReleaseView,
    PlateRequest,
    PlateView,
    SpotView,
)
from app.plates.views import plate_view
from app.preconditions import IfMatch
from app.prints.lifecycle import State
from app.prints.schemas import ReasonView
from ledger.typed_data import PrintClaim

router = APIRouter(prefix="/v1", tags=["plates"])


def _show(caller: Principal, plate_id: str) -> Callable[[Session], PlateView]:
    return lambda session: plate_view(session, *queries.plate_of(session, caller, plate_id))


@router.post("/plates/check")
def check(body: PlateRequest, caller: ProviderCaller, services: ServicesDep) -> PlateCheck:
    """Ask whether a plate would be permitted, with every reason against each part; nothing is reserved."""
    wanted = Wanted.of(body)
    seen = authorisation.check(services, caller, wanted)
    parts = [
        PartCheck(part=part, licence_id=licence_id, reasons=[ReasonView(**r.to_json()) for r in reasons])
        for part, (licence_id, reasons) in enumerate(zip(wanted.licence_ids, seen.reasons, strict=True))
    ]
    layout = [SpotView(**spot.to_json()) for spot in seen.judged.layout]
    return PlateCheck(allowed=seen.allowed, parts=parts, layout=layout)


@router.post("/plates", status_code=201)
def authorise(
    body: PlateRequest, caller: ProviderCaller, services: ServicesDep, key: RequiredIdempotencyKey
) -> PlateAuthorised:
    """Authorise several prints at once on one printer, all or none; the answer shows the token, this once."""
    request = idempotency.attempt(caller.organisation_id, key, "plates", body.model_dump(mode="json"))
    made = authorisation.authorise(services, request, caller, Wanted.of(body))
    with services.database.read() as session:
        shown = plate_view(session, *queries.plate_of(session, caller, made.row_id))
    return PlateAuthorised(**shown.model_dump(), token=made.secret.reveal() if made.secret else "")


@router.get("/plates/claim")
def claim(caller: TokenCaller, services: ServicesDep) -> PlateClaimView:
    """Show a printer what its token wants signed, and all it needs to judge beforehand."""
    found = redemption.offer(services, caller)
    domain = services.ledger.domain
    return PlateClaimView(
        plate_id=found.plate.id,
        domain=DomainView(chain_id=domain.chain_id, contract=domain.contract),
        printer_hash=to_hex(found.cases[0].printer.printer_hash or b""),
        layout=[SpotView(**spot) for spot in found.plate.layout],
        parts=[
            PartOffer(
                print_id=row.id,
                claim=statement.to_json(),
                manifest=case.revision.manifest or "",
                salt=to_hex(case.revision.salt or b""),
                commitment=to_hex(case.revision.commitment or b""),
                revision_hash=to_hex(case.revision.revision_hash or b""),
                licence=case.licence.statement,
            )
            for row, case, statement in zip(found.prints, found.cases, found.claims, strict=True)
        ],
    )


@router.post("/plates/redeem", response_model=PlateReleaseView, responses={202: {"model": PlatePending}})
async def redeem(
    body: PlateRedeemRequest, caller: TokenCaller, request: Request, key: RequiredIdempotencyKey
) -> Response:
    """Redeem a plate's token: every print is counted on chain, then every key is released; 202 while the
    chain has not confirmed.

    A repeat with the same Idempotency-Key and a fresh proof gets the same bytes again.
    """
    claims = tuple(PrintClaim.from_json(each) for each in body.claims)
    desk: PlateDesk = request.app.state.plate_desk
    done = await desk.redeem(caller, Redemption(claims, from_hex(body.signature), key))
    if done.body is None:
        pending = PlatePending(plate_id=done.plate_id, state=State.REDEEMING)
        headers = {"Retry-After": "1"}
        return Response(pending.model_dump_json(), 202, headers, media_type="application/json")
    return Response(done.body, media_type="application/json")


@router.get("/plates/{plate_id}")
def get_plate(plate_id: str, caller: ReaderCaller, services: ServicesDep) -> PlateView:
    """Show a plate with those of its prints that you are a party of."""
    with services.database.read() as session:
        return _show(caller, plate_id)(session)


@router.post("/plates/{plate_id}/withdraw")
def withdraw(plate_id: str, caller: ProviderCaller, services: ServicesDep, match: IfMatch) -> PlateView:
    """Withdraw a plate before its token is redeemed; all its numbers are free again."""
    with match.holding(services.database, _show(caller, plate_id)):
        authorisation.withdraw(services, caller, plate_id)
    return get_plate(plate_id, caller, services)
