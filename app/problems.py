"""Every error as an RFC 9457 problem document.

Domain errors carry a kind; the tables here give each kind its status and `type`. An error that no table knows
is a 500 that says nothing but its request id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.errors import AppError, Kind
from ledger import (
    chain,
    deployment,
    embedded,
    evidence,
    export,
    identity,
    indexer,
    leases,
    outbox,
    replay,
    runtime,
    snapshot,
)
from ledger import errors as ledger_errors
from mesh_tools import errors as mesh_errors
from storage import errors as storage_errors

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger("app.problems")


@dataclass(frozen=True)
class Problem:
    """A problem type: its status, the last part of its `type` URN, and its title."""

    status: int
    slug: str
    title: str


INTERNAL = Problem(500, "internal", "The service failed")
_LOOK = "the service's log says more under this answer's X-Request-Id"

APP_PROBLEMS: Mapping[Kind, Problem] = {
    Kind.NOT_FOUND: Problem(404, Kind.NOT_FOUND, "Not found"),
    Kind.UNAUTHENTICATED: Problem(401, Kind.UNAUTHENTICATED, "Credentials are missing or wrong"),
    Kind.INVALID_PROOF: Problem(401, Kind.INVALID_PROOF, "The printer's proof is missing or wrong"),
    Kind.USE_DPOP_NONCE: Problem(401, Kind.USE_DPOP_NONCE, "The printer's proof needs the service's nonce"),
    Kind.FORBIDDEN: Problem(403, Kind.FORBIDDEN, "The API key lacks the role"),
    Kind.INVALID: Problem(422, Kind.INVALID, "The request is not valid"),
    Kind.CONFLICT: Problem(409, Kind.CONFLICT, "The state does not allow this"),
    Kind.PRECONDITION_FAILED: Problem(412, Kind.PRECONDITION_FAILED, "The resource has changed meanwhile"),
    Kind.IDEMPOTENCY_KEY_REUSED: Problem(
        422, Kind.IDEMPOTENCY_KEY_REUSED, "The Idempotency-Key was used before"
    ),
    Kind.NOT_PERMITTED: Problem(409, Kind.NOT_PERMITTED, "This print is not permitted"),
    Kind.TOKEN_SPENT: Problem(409, Kind.TOKEN_SPENT, "The print token can no longer be redeemed"),
    Kind.INVALID_SIGNATURE: Problem(422, Kind.INVALID_SIGNATURE, "The signature does not verify"),
    Kind.LEDGER_REJECTED: Problem(409, Kind.LEDGER_REJECTED, "The ledger's contract refuses this"),
    Kind.INTEGRITY: Problem(409, Kind.INTEGRITY, "What is stored is not what was published"),
    Kind.UPLOAD_INCOMPLETE: Problem(400, Kind.UPLOAD_INCOMPLETE, "The upload was cut off"),
    Kind.DIGEST_MISMATCH: Problem(400, Kind.DIGEST_MISMATCH, "The bytes are not those announced"),
    Kind.UNAVAILABLE: Problem(503, Kind.UNAVAILABLE, "Not available now"),
    Kind.CONFIGURATION: Problem(500, Kind.CONFIGURATION, "The service is not configured for this"),
}

_ROOTS = (storage_errors.StorageError, ledger_errors.LedgerError, mesh_errors.MeshError)
_STORED = "stored-object"
_TOO_LARGE = Problem(413, "too-large", "More bytes came than are allowed")
_DOWN = Problem(503, "ledger-unavailable", "The ledger does not answer")
LIBRARY_PROBLEMS: dict[type[Exception], Problem] = {
    storage_errors.StorageError: Problem(500, "storage", "The vault failed"),
    storage_errors.InvalidName: Problem(422, "invalid-name", "A name cannot be used in the vault"),
    storage_errors.ObjectMissing: Problem(409, f"{_STORED}-missing", "A stored object is missing"),
    storage_errors.ObjectExists: Problem(409, f"{_STORED}-exists", "The object is stored already"),
    storage_errors.ObjectDamaged: Problem(409, f"{_STORED}-damaged", "A stored object is damaged"),
    storage_errors.WrongContext: Problem(409, "wrong-context", "A stored object or key belongs elsewhere"),
    storage_errors.RangeInvalid: Problem(416, "range-invalid", "The range lies outside the object"),
    storage_errors.TooLarge: _TOO_LARGE,
    storage_errors.StoreUnavailable: Problem(503, "store-unavailable", "The object store does not answer"),
    storage_errors.KeyUnavailable: Problem(503, "key-unavailable", "The key back end cannot give the key"),
    storage_errors.KeyringUnsafe: Problem(503, "keyring-unsafe", "The keyring must not be used"),
    storage_errors.RecipientInvalid: Problem(422, "sealing-key-invalid", "The sealing key cannot be used"),
    storage_errors.SealInvalid: Problem(409, "sealed-key-invalid", "A sealed key does not open"),
    storage_errors.UriInvalid: Problem(500, "configuration", "The service is not configured for this"),
    ledger_errors.LedgerError: INTERNAL,
    ledger_errors.TypedDataError: Problem(422, Kind.INVALID, "The request is not valid"),
    ledger_errors.SignatureError: Problem(422, Kind.INVALID_SIGNATURE, "The signature does not verify"),
    ledger_errors.ArtifactError: INTERNAL,
    chain.ChainError: _DOWN,
    chain.SendError: _DOWN,
    chain.RevertError: INTERNAL,
    deployment.NetworkUnfit: _DOWN,
    deployment.DeploymentPending: _DOWN,
    embedded.ChainInUse: _DOWN,
    evidence.EvidenceError: Problem(422, "evidence-invalid", "This is no evidence in the known format"),
    export.ExportFault: INTERNAL,
    identity.IdentityMismatch: _DOWN,
    indexer.PageMismatch: _DOWN,
    leases.LeaseLost: _DOWN,
    outbox.UnknownOperation: Problem(404, Kind.NOT_FOUND, "Not found"),
    replay.ReplayMismatch: _DOWN,
    runtime.LedgerStopped: _DOWN,
    snapshot.SnapshotUnfit: _DOWN,
    mesh_errors.MeshError: INTERNAL,
    mesh_errors.Refused: Problem(422, "mesh-refused", "The gate refuses the file"),
    mesh_errors.PolicyInvalid: Problem(422, Kind.INVALID, "The request is not valid"),
    mesh_errors.SandboxUnavailable: Problem(503, "sandbox-unavailable", "Nothing can be inspected now"),
    OperationalError: Problem(503, "database-unavailable", "The database does not answer"),
    PoolTimeout: Problem(503, "database-unavailable", "The database does not answer"),
}


class ProblemDocument(BaseModel):
    """RFC 9457: what went wrong, where, and what to do next."""

    type: str
    title: str
    status: int
    detail: str | None = None
    field: str | None = None
    remedy: str | None = None
    reasons: list[dict[str, str]] | None = None
    errors: list[dict[str, str]] | None = None


def responses(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """Describe problem documents for OpenAPI."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {"description": "a problem document", "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def problem_of(error: Exception) -> Problem | None:
    """Find the problem type of an error: its own, or that of a parent which is not a library's root.

    None where it is not mapped.
    """
    if isinstance(error, AppError):
        return APP_PROBLEMS.get(error.kind)
    exact, *parents = type(error).__mro__
    known = (parent for parent in parents if parent not in _ROOTS and parent in LIBRARY_PROBLEMS)
    return LIBRARY_PROBLEMS.get(exact) or LIBRARY_PROBLEMS.get(next(known, exact))


def document(problem: Problem, detail: str | None = None, **members: Any) -> JSONResponse:
    """Write a problem document; members that are None are left out."""
    body = {"type": f"urn:partvault:problem:{problem.slug}", "title": problem.title, "status": problem.status}
    body |= {"detail": detail} if detail else {}
    body |= {name: value for name, value in members.items() if value is not None}
    return JSONResponse(body, problem.status, _headers(problem), MEDIA_TYPE)


def _headers(problem: Problem) -> Mapping[str, str] | None:
    if problem.slug == Kind.USE_DPOP_NONCE:
        return {"WWW-Authenticate": 'DPoP error="use_dpop_nonce", algs="ES256"'}
    return {401: {"WWW-Authenticate": 'Bearer, DPoP algs="ES256"'}, 503: {"Retry-After": "1"}}.get(
        problem.status
    )


def render(error: Exception) -> Response:
    """Give the answer for a domain error; one of the service's own faults tells nothing but where to look."""
    problem = problem_of(error) or INTERNAL
    if problem.status == INTERNAL.status:
        _log.error("unexpected error", error=type(error).__name__, exc_info=error)
        return document(INTERNAL, _LOOK)
    if isinstance(error, AppError):
        reasons = [reason.to_json() for reason in error.reasons] or None
        return document(problem, error.detail, field=error.field, remedy=error.remedy, reasons=reasons)
    if problem.status > INTERNAL.status:
        _log.warning("not available", error=type(error).__name__, exc_info=error)
        return document(problem, f"{problem.title}; {_LOOK}", remedy="try again in a moment")
    return document(problem, str(error), **_located(error))


def too_large(bytes_max: int) -> Response:
    """Give the answer for a body longer than `bytes_max`."""
    return document(_TOO_LARGE, f"the body has more than {bytes_max} bytes", remedy="send less")


def too_many(policy: str, retry_after_s: int) -> Response:
    """Give the answer for a request beyond a rate limit; after that many seconds there is room for one."""
    problem = Problem(429, "too-many-requests", "Too many requests came")
    detail = f"the limit for one {policy} is used up"
    remedy = f"wait {retry_after_s} s, and see the RateLimit headers of the answers"
    answer = document(problem, detail, remedy=remedy)
    answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def _located(error: Exception) -> dict[str, Any]:
    field = getattr(error, "field", None)
    return {"field": field} if isinstance(field, str) else {}


def _validation(error: RequestValidationError) -> Response:
    """Name each field at fault and what it must be; the values that came are never echoed."""
    problem = APP_PROBLEMS[Kind.INVALID]
    faults = [
        {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
        for fault in error.errors()
    ]
    first = faults[0] if faults else {"field": "body", "message": "cannot be read"}
    detail = f"{first['field']}: {first['message']}"
    return document(problem, detail, field=first["field"], errors=faults)


def _http(error: HTTPException) -> Response:
    slug = {404: "not-found", 405: "method-not-allowed", 413: _TOO_LARGE.slug}.get(error.status_code, "http")
    response = document(
        Problem(error.status_code, slug, HTTPStatus(error.status_code).phrase), str(error.detail)
    )
    response.headers.update(error.headers or {})
    return response


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""

    async def domain(_request: Request, error: Exception) -> Response:
        return render(error)

    async def validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class only
        return _validation(error)

    async def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class only
        return _http(error)

    known: tuple[type[Exception], ...] = (AppError, *LIBRARY_PROBLEMS, Exception)
    for mapped in known:
        app.add_exception_handler(mapped, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
