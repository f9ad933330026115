"""HTTP routes for whoever watches the service."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from app.dependencies import ServicesDep, public
from app.wiring import Services
from ledger.errors import LedgerError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """One answer of the service about itself; `reasons` are there when it is not ready."""

    status: str
    reasons: list[str] = []


@router.get("/livez", dependencies=[public("says only that the process answers")])
def livez() -> Health:
    """Tell that the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    responses={503: {"model": Health}},
    dependencies=[public("says only whether requests can be served")],
)
def readyz(response: Response, services: ServicesDep) -> Health:
    """Tell whether requests can be served: database and ledger answer."""
    reasons = _reasons(services)
    if reasons:
        response.status_code = 503
        return Health(status="not ready", reasons=reasons)
    return Health(status="ok")


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[public("counts by route and state, never an id; keep it inside by the proxy")],
)
def metrics(services: ServicesDep) -> Response:
    """Give the metrics in Prometheus' text format."""
    health = services.ledger.health()
    services.metrics.ledger_pending.set(health.pending)
    services.metrics.ledger_lag_blocks.set(health.lag_blocks)
    return Response(services.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _reasons(services: Services) -> list[str]:
    reasons = []
    try:
        services.database.ping()
    except SQLAlchemyError as error:
        reasons.append(f"the database does not answer: {type(error).__name__}")
    try:
        health = services.ledger.health()
        reasons += [] if health.ok else [f"the ledger is not ready: {health.reason}"]
    except (LedgerError, SQLAlchemyError) as error:
        reasons.append(f"the ledger does not answer: {type(error).__name__}")
    return reasons
