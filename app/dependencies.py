"""What a handler asks for in its signature: the services, and the caller with the authorisation it needs.

Every route names one `Authorisation` (a role, a printer's proof, or `PUBLIC` in so many words); a test walks
all routes.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session, select

from app.auth import after_answer, alarms, api_keys, dpop, nonce_offer, replay, standing
from app.auth.alarms import AlarmKind, ImpossibleUse
from app.auth.principals import Principal, PrinterPrincipal, Role
from app.errors import Forbidden, InvalidProof, NonceWanted, Replayed, Unauthenticated, Unproven
from app.models import Print, Printer
from app.tokens import Token
from app.wiring import Services

_log = structlog.get_logger("app.alarms")
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
        with services.database.read() as session:
            printer, print_id = _subject(session, access_token, with_token=self.with_token)
        attempt = _Attempt(request, services, printer, print_id, services.clock.now())
        verified = attempt.verify(proof, access_token)
        if attempt.remember(verified) and not self.in_quarantine:
            raise standing.quarantined()
        return PrinterPrincipal(printer.id, printer.organisation_id, print_id)


@dataclass(frozen=True)
class _Attempt:
    """A request that names a printer, which has yet to prove to be that printer."""

    request: Request
    services: Services
    printer: Printer
    print_id: str | None
    now: int

    def verify(self, proof: str, access_token: str) -> dpop.Proof:
        """Verify the proof; its token in a stranger's hands is an alarm, after the same answer as ever."""
        settings, nonces = self.services.settings, self.services.nonces
        try:
            verified = dpop.verify(
                proof,
                key=dpop.PublicKey(self.printer.key_x or b"", self.printer.key_y or b""),
                method=self.request.method,
                url=_target(self.request, settings.public_url),
                access_token=access_token,
                now=self.now,
                window_s=settings.proof_window_s,
                nonce_until=lambda nonce: nonces.good_until(nonce, self.printer.id, self.now),
            )
        except Unproven:
            if self.print_id is not None:
                proven = "a proof that the printer's key did not sign"
                detail = f"{self._address} sent the token of print {self.print_id} with {proven}"
                self._sound(AlarmKind.WRONG_KEY, detail)
            raise
        except NonceWanted:
            nonce_offer.offer(self.request, nonces.give(self.printer.id, self.now))
            raise
        nonce_offer.offer(self.request, nonces.give(self.printer.id, self.now))
        return verified

    def remember(self, verified: dpop.Proof) -> bool:
        """Let the proof count once; tells whether the printer is in quarantine."""
        window_s, impossible = self.services.settings.proof_window_s, None
        try:
            with self.services.database.write() as session:
                replay.remember(session, self.printer.id, verified, window_s)
                if self.print_id is not None:
                    impossible = alarms.see(session, self.printer, self.print_id, self._address, self.now)
                quarantined = standing.open_quarantine(session, self.printer.id) is not None
        except Replayed:
            detail = f"{self._address} sent a proof for {self.request.method} that was used before"
            self._sound(AlarmKind.PROOF_REPLAYED, detail)
            raise
        if impossible is not None:
            self._sound(impossible.kind, impossible.detail)
        return quarantined

    @property
    def _address(self) -> str:
        host = self.request.client.host if self.request.client else "an unknown address"
        return host[: alarms.ADDRESS_CHARS_MAX]

    def _sound(self, kind: AlarmKind, detail: str) -> None:
        printer, services = self.printer, self.services
        use = ImpossibleUse(kind, printer.id, printer.organisation_id, detail, self.now)

        def count() -> None:
            services.metrics.alarms.labels(kind).inc()
            _log.warning("alarm", kind=kind, printer=printer.id, detail=detail)
            with services.database.write() as session:
                alarms.count(session, use, services.entropy)

        after_answer.defer(self.request, count)


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
