"""What a handler asks for in its signature: the services, and the caller with the authorisation it needs.

Every route names one `Authorisation` (a role, a printer's proof, or `PUBLIC` in so many words); a test walks
all routes.
"""

from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.auth import after_answer, alarms, api_keys, authenticated, dpop, nonce_offer, standing
from app.auth.alarms import ImpossibleUse
from app.auth.principals import Principal, PrinterPrincipal, Role
from app.errors import Forbidden, InvalidProof, Unauthenticated
from app.proving import Attempt, Proven
from app.together import Together
from app.wiring import Services

_log = structlog.get_logger("app.alarms")
_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="`pv_<key id>_<secret>`")
_proof = APIKeyHeader(
    name="DPoP",
    auto_error=False,
    scheme_name="DPoP proof",
    description="RFC 9449 proof by the enrolled key; with `Authorization: DPoP <print token or printer id>`",
)


async def services_of(request: Request) -> Services:
    """Give the services of the running application."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]
_IDEMPOTENCY = Header(alias="Idempotency-Key", min_length=8, max_length=128, pattern=r"^[!-~]+$")
IdempotencyKey = Annotated[str | None, _IDEMPOTENCY]
RequiredIdempotencyKey = Annotated[str, _IDEMPOTENCY]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=64)]


class Authorisation:
    """Marks a dependency that decides whether the caller may use a route."""


class Public(Authorisation):
    """The route is for everybody; `reason` says why that is safe."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __call__(self) -> None:
        """Let everybody through."""


class RequireRole(Authorisation):
    """The caller's API key has one of these roles."""

    def __init__(self, *roles: Role) -> None:
        self.roles = roles

    def __call__(
        self,
        request: Request,
        services: ServicesDep,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Principal:
        """Authenticate, then authorise."""
        if credentials is None:
            raise Unauthenticated(
                "the request carries no API key",
                remedy="send Authorization: Bearer pv_… (see POST /v1/api-keys)",
            )
        with services.database.read() as session:
            principal = api_keys.authenticate(session, credentials.credentials)
        authenticated.mark(request)
        if not principal.has(*self.roles):
            raise Forbidden(
                f"this needs an API key with the role {' or '.join(self.roles)}",
                remedy="ask your organisation for a key with that role",
            )
        return principal


class RequireProof(Authorisation):
    """The caller is a printer that proves possession of its enrolled key (DPoP), with a print token or
    without; `in_quarantine` says whether it may while it is in quarantine.
    """

    def __init__(self, *, with_token: bool, in_quarantine: bool = False) -> None:
        self.with_token = with_token
        self.in_quarantine = in_quarantine

    async def __call__(
        self, request: Request, proof: Annotated[str | None, Depends(_proof)]
    ) -> PrinterPrincipal:
        """Authenticate the printer; a proof counts once."""
        services = await services_of(request)
        scheme, _, access_token = request.headers.get("authorization", "").partition(" ")
        if proof is None or scheme.lower() != "dpop" or len(request.headers.getlist("dpop")) != 1:
            raise InvalidProof(
                "the request carries no DPoP proof",
                remedy="send Authorization: DPoP <token or printer id> and one DPoP header (RFC 9449)",
            )
        host = request.client.host if request.client else "an unknown address"
        attempt = Attempt(
            proof=proof,
            access_token=access_token,
            with_token=self.with_token,
            method=request.method,
            url=_target(request, services.settings.public_url),
            address=host[: alarms.ADDRESS_CHARS_MAX],
        )
        proofs: Together[Attempt, Proven] = request.app.state.proofs
        proven = await proofs(attempt)
        if proven.nonce is not None:
            nonce_offer.offer(request, proven.nonce)  # to who has the key, and to nobody else
            authenticated.mark(request)
        if proven.alarm is not None:
            _sound(request, services, proven.alarm)
        if proven.principal is None:
            raise proven.refusal or dpop.unproven()
        if proven.quarantined and not self.in_quarantine:
            raise standing.quarantined()
        return proven.principal


def _sound(request: Request, services: Services, use: ImpossibleUse) -> None:
    """Count an alarm, after the answer."""

    def count() -> None:
        services.metrics.alarms.labels(use.kind).inc()
        _log.warning("alarm", kind=use.kind, printer=use.printer_id, detail=use.detail)
        with services.database.write() as session:
            alarms.count(session, use, services.entropy)

    after_answer.defer(request, count)


def _target(request: Request, public_url: str | None) -> str:
    """Give the URL the client must have signed; behind a proxy that is the public one."""
    return public_url.rstrip("/") + request.url.path if public_url else str(request.url)


OwnerCaller = Annotated[Principal, Depends(RequireRole(Role.OWNER))]
ProviderCaller = Annotated[Principal, Depends(RequireRole(Role.PROVIDER))]
PartyCaller = Annotated[Principal, Depends(RequireRole(Role.OWNER, Role.PROVIDER))]
ReaderCaller = Annotated[Principal, Depends(RequireRole(Role.OWNER, Role.PROVIDER, Role.AUDITOR))]
OperatorCaller = Annotated[Principal, Depends(RequireRole(Role.OPERATOR))]
WardenCaller = Annotated[Principal, Depends(RequireRole(Role.PROVIDER, Role.OPERATOR))]
AnyCaller = Annotated[Principal, Depends(RequireRole(*Role))]
TokenCaller = Annotated[PrinterPrincipal, Depends(RequireProof(with_token=True))]
PrinterCaller = Annotated[PrinterPrincipal, Depends(RequireProof(with_token=False))]
ReportingCaller = Annotated[PrinterPrincipal, Depends(RequireProof(with_token=False, in_quarantine=True))]


def public(reason: str) -> Any:
    """Mark a route as open to everybody, and say why."""
    return Depends(Public(reason))
