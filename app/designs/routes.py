"""HTTP routes of designs and revisions."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from app import idempotency
from app.auth.principals import Principal
from app.dependencies import Cursor, IdempotencyKey, Limit, OwnerCaller, ServicesDep
from app.designs import declaration, publication, queries, sealed_upload, service, upload
from app.designs.schemas import (
    DeclarationRequest,
    DesignCreate,
    DesignView,
    PublishRequest,
    RevisionCreate,
    RevisionView,
)
from app.designs.stored import thumbnail_of
from app.designs.views import design_view, revision_view
from app.errors import NotFound
from app.models import Design, Revision
from app.pages import Page, page
from app.preconditions import IfMatch
from app.wiring import Services

router = APIRouter(prefix="/v1", tags=["designs"])
upload_router = APIRouter(prefix="/v1", tags=["designs"])
_BINARY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def _show(services: Services, caller: Principal, revision_id: str) -> Callable[[Session], RevisionView]:
    domain = services.ledger.domain
    return lambda session: revision_view(session, queries.revision(session, caller, revision_id), domain)


def _shown(services: Services, caller: Principal, revision_id: str) -> RevisionView:
    with services.database.read() as session:
        return _show(services, caller, revision_id)(session)


@router.post("/designs", status_code=201)
def create_design(
    body: DesignCreate, caller: OwnerCaller, services: ServicesDep, key: IdempotencyKey = None
) -> DesignView:
    """Add a part."""
    request = idempotency.attempt(caller.organisation_id, key, "designs", body.model_dump(mode="json"))
    made = service.create_design(services, request, caller, body)
    with services.database.read() as session:
        return design_view(queries.design(session, caller, made.row_id))


@router.get("/designs")
def list_designs(
    caller: OwnerCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DesignView]:
    """List your parts."""
    with services.database.read() as session:
        return page(session, queries.designs(caller), Design.id, design_view, limit, cursor)


@router.get("/designs/{design_id}")
def get_design(design_id: str, caller: OwnerCaller, services: ServicesDep) -> DesignView:
    """Show one of your parts."""
    with services.database.read() as session:
        return design_view(queries.design(session, caller, design_id))


@router.post("/designs/{design_id}/revisions", status_code=201)
def create_revision(
    design_id: str,
    body: RevisionCreate,
    caller: OwnerCaller,
    services: ServicesDep,
    key: IdempotencyKey = None,
) -> RevisionView:
    """Add a version of a part with its recipe; its file comes next."""
    content = {"design": design_id, "body": body.model_dump(mode="json")}
    request = idempotency.attempt(caller.organisation_id, key, "revisions", content)
    made = service.create_revision(services, request, caller, design_id, body.recipe)
    return _shown(services, caller, made.row_id)


@router.get("/designs/{design_id}/revisions")
def list_revisions(
    design_id: str, caller: OwnerCaller, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[RevisionView]:
    """List the versions of a part."""
    with services.database.read() as session:
        design = queries.design(session, caller, design_id)
        query = queries.revisions(caller).where(Revision.design_id == design.id)
        return page(
            session,
            query,
            Revision.id,
            lambda row: revision_view(session, row, services.ledger.domain),
            limit,
            cursor,
        )


@upload_router.put(
    "/revisions/{revision_id}/file",
    status_code=202,
    openapi_extra=_BINARY,
)
async def upload_file(
    revision_id: str,
    request: Request,
    caller: OwnerCaller,
    services: ServicesDep,
    match: IfMatch,
    filename: Annotated[str, Query(min_length=1, max_length=upload.FILENAME_CHARS_MAX)],
) -> RevisionView:
    """Upload the print file as the raw body; it is encrypted as it arrives and then inspected.

    `Repr-Digest: sha-256=:<base64>:` (RFC 9530) has it compared; a cut-off upload leaves the draft as it was.
    """
    said = upload.Announcement.read(filename, request.headers)
    with match.holding(services.database, _show(services, caller, revision_id)):
        await upload.receive(services, caller, revision_id, said, request.stream())
    return await run_in_threadpool(_shown, services, caller, revision_id)


@upload_router.put("/revisions/{revision_id}/ciphertext", openapi_extra=_BINARY)
async def upload_ciphertext(
    revision_id: str,
    request: Request,
    caller: OwnerCaller,
    services: ServicesDep,
    match: IfMatch,
    version: Annotated[int, Query(ge=1, le=2**31 - 1)],
) -> RevisionView:
    """Upload a file that you encrypted, as the raw body, where you hold the key; it is stored as it arrives.

    Encrypt it for the revision's `upload_context`, whose `version` the query repeats, with a data key of its
    own (docs/formats/stream.md); then declare what it holds.
    """
    announced = request.headers.get("content-length", "")
    length = int(announced) if announced.isdigit() else None
    with match.holding(services.database, _show(services, caller, revision_id)):
        await sealed_upload.receive(services, caller, revision_id, version, length, request.stream())
    return await run_in_threadpool(_shown, services, caller, revision_id)


@router.get("/revisions/{revision_id}/ciphertext", response_class=StreamingResponse)
def get_ciphertext(revision_id: str, caller: OwnerCaller, services: ServicesDep) -> StreamingResponse:
    """Stream back what you encrypted and uploaded, as it is stored; 409 where the service keeps the key."""
    with services.database.read() as session:
        stored = sealed_upload.stored_for(session, queries.revision(session, caller, revision_id))
    headers = {"Content-Length": str(stored.ciphertext_bytes)}
    return StreamingResponse(
        services.vault.ciphertext(stored), headers=headers, media_type="application/octet-stream"
    )


@router.post("/revisions/{revision_id}/declaration")
def declare(
    revision_id: str,
    body: DeclarationRequest,
    caller: OwnerCaller,
    services: ServicesDep,
    match: IfMatch,
) -> RevisionView:
    """Say what the ciphertext holds that you uploaded: its digest, its length, what your inspection found.

    The version is ready then; the same declaration again changes nothing.
    """
    with match.holding(services.database, _show(services, caller, revision_id)):
        declaration.declare(services, caller, revision_id, body)
    return _shown(services, caller, revision_id)


@router.get("/revisions/{revision_id}")
def get_revision(revision_id: str, caller: OwnerCaller, services: ServicesDep) -> RevisionView:
    """Show a version: state, findings, manifest, commitment, receipt."""
    return _shown(services, caller, revision_id)


@router.get(
    "/revisions/{revision_id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}},
)
def get_thumbnail(revision_id: str, caller: OwnerCaller, services: ServicesDep) -> Response:
    """Show the picture of a version: the part, or what it was refused for, painted on it."""
    with services.database.read() as session:
        picture = thumbnail_of(session, queries.revision(session, caller, revision_id))
    if picture is None:
        raise NotFound("thumbnail of revision", revision_id)
    return Response(b"".join(services.vault.open(*picture)), media_type="image/png")


@router.post("/revisions/{revision_id}/publish", responses={202: {"model": RevisionView}})
def publish(
    revision_id: str,
    response: Response,
    caller: OwnerCaller,
    services: ServicesDep,
    match: IfMatch,
    body: PublishRequest | None = None,
) -> RevisionView:
    """Put the version's commitment on chain; 202 while the chain has not confirmed it."""
    supplied = body.signature_bytes() if body else None
    with match.holding(services.database, _show(services, caller, revision_id)):
        done = publication.publish(services, caller, revision_id, supplied)
    if not done:
        response.status_code = 202
    return _shown(services, caller, revision_id)
