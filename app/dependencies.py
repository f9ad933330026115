"""What a handler asks for in its signature: the services, and the caller with the authorisation it needs.

Every route names one `Authorisation` (a role, a printer's proof, or `PUBLIC` in so many words); a test walks
all routes.
"""

from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session, select

from app.auth import api_keys, dpop, nonce_offer, replay, standing
from app.auth.principals import Principal, PrinterPrincipal, Role
from app.errors import Forbidden, InvalidProof, NonceWanted, Unauthenticated
from app.models import Print, Printer
from app.tokens import Token
from app.wiring import Services

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="`pv_<key id>_<secret>`")
_proof = APIKeyHeader(
    name="DPoP",
    auto_error=False,
    scheme_name="DPoP proof",
    description="RFC 9449 proof by the enrolled key; with `Authorization: DPoP <print token or printer id>`",
)


def services_of(request: Request) -> Services:
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

    def __call__(
        self, request: Request, services: ServicesDep, proof: Annotated[str | None, Depends(_proof)]
    ) -> PrinterPrincipal:
        """Authenticate the printer; a proof counts once."""
        scheme, _, access_token = request.headers.get("authorization", "").partition(" ")
        if proof is None or scheme.lower() != "dpop" or len(request.headers.getlist("dpop")) != 1:
            raise InvalidProof(
                "the request carries no DPoP proof",
                remedy="send Authorization: DPoP <token or printer id> and one DPoP header (RFC 9449)",
            )
        settings, now = services.settings, services.clock.now()
        with services.database.read() as session:
            printer, print_id = _subject(session, access_token, with_token=self.with_token)
        try:
            verified = dpop.verify(
                proof,
                key=dpop.PublicKey(printer.key_x or b"", printer.key_y or b""),
                method=request.method,
                url=_target(request, settings.public_url),
                access_token=access_token,
                now=now,
                window_s=settings.proof_window_s,
                nonce_until=lambda nonce: services.nonces.good_until(nonce, printer.id, now),
            )
        except NonceWanted:
            nonce_offer.offer(request, services.nonces.give(printer.id, now))
            raise
        with services.database.write() as session:
            replay.remember(session, printer.id, verified, settings.proof_window_s)
            stopped = not self.in_quarantine and standing.open_quarantine(session, printer.id) is not None
        nonce_offer.offer(request, services.nonces.give(printer.id, now))
        if stopped:
            raise standing.quarantined()
        return PrinterPrincipal(printer.id, printer.organisation_id, print_id)


def _subject(session: Session, access_token: str, *, with_token: bool) -> tuple[Printer, str | None]:
    """Find the printer a token was issued to, or the printer itself; one answer for all that is unknown."""
    print_id = None
    printer_id: str | None = access_token
    if with_token:
        token = Token(access_token)
        row = session.exec(select(Print).where(Print.token_sha256 == token.digest())).first()
        if row is None or not token.matches(row.token_sha256):
            raise dpop.unproven()
        print_id, printer_id = row.id, row.printer_id
    printer = session.get(Printer, printer_id)
    if printer is None or printer.key_x is None or printer.key_y is None:
        raise dpop.unproven()
    return printer, print_id


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
