"""HTTP routes of certificates, and of what everybody may ask of a print."""

import re
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from app.certificates import checking, form, pages, public_print
from app.certificates import pdf as certificate_pdf
from app.certificates.issue import issue
from app.certificates.links import verification_url
from app.certificates.paper import paper_of
from app.certificates.public_print import PublicPrint
from app.certificates.schemas import CertificateChecked, PublicPrintView
from app.certificates.views import checked_view, public_view
from app.dependencies import ReaderCaller, ServicesDep, public
from app.encodings import JsonObject
from app.errors import AppError, Invalid, Kind, Unavailable
from app.prints import queries
from app.wiring import Services
from ledger.chain import ChainError
from ledger.commitment import canonical_json

router = APIRouter(tags=["certificates"])
_PAGE = "/verify/{print_hash}"  # for people: it answers in HTML, refusals too, and stands in no schema
_NAME = re.compile(r"0x[0-9a-fA-F]{64}")
_PUBLIC = public("tells what the chain tells anybody of a print, and names nobody")
_SHOWN = public("checks a certificate that the caller shows, keeps nothing, and names nobody else")


class NoSuchPrint(AppError):  # noqa: N818 - it names what is so
    """The ledger knows no print of this name."""

    kind = Kind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__(
            "no such print on this ledger", remedy="compare the name with the one on the certificate"
        )


@router.get("/v1/prints/{print_id}/certificate", response_model=JsonObject)
def get_certificate(print_id: str, caller: ReaderCaller, services: ServicesDep) -> Response:
    """Give the certificate of a print, in canonical form: the same bytes each time.

    `partvault certificate verify` verifies it without the service.
    """
    with services.database.read() as session:
        issued = issue(services, session, queries.print_of(session, caller, print_id))
    return Response(canonical_json(issued.certificate), media_type="application/json")


@router.get(
    "/v1/prints/{print_id}/certificate.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}},
)
def get_certificate_pdf(
    print_id: str, request: Request, caller: ReaderCaller, services: ServicesDep
) -> Response:
    """Give the certificate of a print on one page, with the JSON attached and a code that leads to the public
    page.
    """
    with services.database.read() as session:
        row = queries.print_of(session, caller, print_id)
        issued = issue(services, session, row)
        link = verification_url(services.settings, request, issued.says.print)
        paper = paper_of(services, session, caller, row, issued.says, link)
    content = certificate_pdf.draw(paper, canonical_json(issued.certificate))
    headers = {"Content-Disposition": f'inline; filename="certificate-{row.id}.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


@router.get("/v1/verification/{print_hash}", dependencies=[_PUBLIC])
def get_verification(print_hash: str, services: ServicesDep) -> PublicPrintView:
    """Tell what the chain tells anybody of a print, by its name there."""
    return public_view(_seen(services, print_hash), services.ledger.domain)


@router.post("/v1/verification/{print_hash}", dependencies=[_SHOWN])
def check_certificate(
    print_hash: str, certificate: Annotated[JsonObject, Body()], services: ServicesDep
) -> CertificateChecked:
    """Check a certificate of this print against the service's ledger; nothing of it is kept."""
    name = _seen(services, print_hash).print
    return checked_view(name, checking.check(services, name, canonical_json(certificate)))


@router.get(_PAGE, response_class=HTMLResponse, include_in_schema=False, dependencies=[_PUBLIC])
def show_print(print_hash: str, services: ServicesDep) -> HTMLResponse:
    """Show what the chain tells anybody of a print, as the page that a certificate's code leads to."""
    try:
        return pages.of_print(_seen(services, print_hash), services.ledger.domain)
    except NoSuchPrint:
        return pages.unknown()
    except (ChainError, Unavailable):
        return pages.unavailable()


@router.post(_PAGE, response_class=HTMLResponse, include_in_schema=False, dependencies=[_SHOWN])
async def show_check(print_hash: str, request: Request, services: ServicesDep) -> HTMLResponse:
    """Check the certificate that the page's form sends; nothing of it is kept."""
    content_type = request.headers.get("content-type", "")
    content = form.file_in(content_type, await request.body(), pages.CERTIFICATE)
    return await run_in_threadpool(_check, services, print_hash, content or b"")


def _check(services: Services, print_hash: str, content: bytes) -> HTMLResponse:
    domain = services.ledger.domain
    try:
        seen = _seen(services, print_hash)
        try:
            return pages.of_check(seen, domain, checking.check(services, seen.print, content))
        except Invalid as error:
            return pages.no_certificate(seen, domain, error.detail)
    except NoSuchPrint:
        return pages.unknown()
    except (ChainError, Unavailable):
        return pages.unavailable()


def _seen(services: Services, print_hash: str) -> PublicPrint:
    if not _NAME.fullmatch(print_hash):
        raise NoSuchPrint
    seen = public_print.look(services, bytes.fromhex(print_hash[2:]))
    if seen is None:
        raise NoSuchPrint
    return seen
