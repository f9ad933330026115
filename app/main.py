"""The application factory: routes, problems, middleware, and what runs while the service does."""

from __future__ import annotations

import resource
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from importlib.metadata import version
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.concurrency import run_in_threadpool

from app import entity_tags, problems, proving, rate_limit, worker
from app.accounts import routes as accounts
from app.accounts.service import ensure_operator
from app.auth.after_answer import AfterAnswer
from app.auth.nonce_offer import NonceOffer
from app.body_limit import BodyLimit
from app.certificates import routes as certificates
from app.clock import Clock
from app.designs import resemblances
from app.designs import routes as designs
from app.entity_tags import EntityTags
from app.evidence import routes as evidence
from app.health import documentation
from app.health import routes as health
from app.identifiers import Entropy
from app.lane import Lane
from app.licences import routes as licences
from app.observability import logs
from app.observability.metrics import Metrics
from app.observability.middleware import RequestRecorder
from app.plates import routes as plates
from app.plates.desk import desk_of_plates
from app.printers import routes as printers
from app.prints import routes as prints
from app.prints.desk import desk_of_prints
from app.rate_limit import RateLimit
from app.settings import Settings
from app.shredding import routes as shreddings
from app.together import Together
from app.token_buckets import Policy
from app.wiring import Services, build, running

DESCRIPTION = """A secure inventory for 3D printing: encrypted designs, licences and prints counted by a
contract.

Clients send `Authorization: Bearer pv_…`; printers prove possession of their enrolled key (DPoP, RFC 9449).
Errors are problem documents (RFC 9457). POST requests that create take an `Idempotency-Key`.
What is read by its id has an `ETag`: `If-None-Match` saves reading it again, and requests that change it take
`If-Match`, so that nothing is changed that somebody else has changed meanwhile (412).
`RateLimit` and `RateLimit-Policy` tell how many requests are left; 429 says in `Retry-After` when to go on.
"""

_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""Requests hold tokens and parts: nothing of them goes to whatever else the environment has set up."""


class PartVaultApi(FastAPI):
    """FastAPI whose OpenAPI document knows what a problem looks like."""

    def openapi(self) -> dict[str, Any]:
        """Give the document."""
        document = super().openapi()
        problem = problems.ProblemDocument
        entity_tags.describe(document)
        rate_limit.describe(document)
        document["components"]["schemas"].setdefault(problem.__name__, problem.model_json_schema())
        return document


def create_app(
    settings: Settings, clock: Clock | None = None, entropy: Entropy = secrets.token_bytes
) -> FastAPI:
    """Build the application; the ledger, the sandbox and the worker start with its lifespan.

    Raises UnsafeSettings where production would run on development settings.
    """
    logs.configure(settings.log_level)
    services = build(settings, clock, entropy)
    app = assemble(services.metrics, settings, _lifespan(services))
    app.state.services = services
    app.state.lane = lane = Lane("lane")
    app.state.proofs = Together(lane, lambda attempts: proving.prove(services, attempts))
    app.state.desk = desk_of_prints(services, lane)
    app.state.plate_desk = desk_of_plates(services, lane)
    return app


def assemble(
    metrics: Metrics,
    settings: Settings,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """Put routes, problems and middleware together; what they work with is not needed yet."""
    app = PartVaultApi(
        title="PartVault",
        version=version("partvault"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    refusals = problems.responses(422, "4XX", "5XX")
    for module in (
        prints,
        plates,
        accounts,
        designs,
        resemblances,
        licences,
        printers,
        shreddings,
        evidence,
        health,
    ):
        app.include_router(module.router, responses=refusals)
    app.include_router(designs.upload_router, responses=refusals)
    app.include_router(certificates.router, responses=refusals)
    documentation.install(app)
    problems.install(app)
    app.add_middleware(EntityTags)
    app.add_middleware(NonceOffer)
    app.add_middleware(AfterAnswer)
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max)
    app.add_middleware(
        RateLimit,
        credentials=_policy("credential", settings.rate_limit_per_s, settings.rate_limit_burst),
        addresses=_policy(
            "address", settings.anonymous_rate_limit_per_s, settings.anonymous_rate_limit_burst
        ),
        entries_max=settings.rate_limit_entries_max,
        metrics=metrics,
    )
    app.add_middleware(RequestRecorder, metrics=metrics)
    return app


def _policy(name: str, per_s: float, burst: int) -> Policy | None:
    return Policy(name, per_s, burst) if per_s else None


def _lifespan(services: Services) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = services.settings.threads_max
        with ExitStack() as stack:
            await run_in_threadpool(_start, services, stack)
            yield
            await run_in_threadpool(_stop, app, stack)

    return lifespan


def _stop(app: FastAPI, stack: ExitStack) -> None:
    app.state.lane.close()
    stack.close()


def _start(services: Services, stack: ExitStack) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # plaintext and keys pass through this process's memory
    stack.enter_context(running(services))
    ensure_operator(services)
    if services.settings.worker:
        stack.enter_context(worker.working(services))
