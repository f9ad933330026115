"""HTTP routes for whoever watches the service."""

from collections.abc import Iterator
from typing import Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from app.clock import rfc3339
from app.dependencies import ServicesDep, public
from app.health import ledger_metrics
from app.prints import overdue
from app.wiring import Services
from ledger.errors import LedgerError
from ledger.runtime import LedgerHealth

router = APIRouter(tags=["health"])
_ASK_FOR: Final = "`partvault ledger status` says"


class Health(BaseModel):
    """One answer of the service about itself."""

    status: str


class LedgerProgress(BaseModel):
    """How far the index has come: block numbers, and operations not yet confirmed."""

    head: int
    indexed: int
    lag_blocks: int
    pending: int


class Readiness(Health):
    """Whether requests can be served. `reasons` say why not; `warnings` what to look after all the same.

    `ledger` is None while the ledger does not answer.
    """

    reasons: list[str] = []
    warnings: list[str] = []
    ledger: LedgerProgress | None = None


@router.get("/livez", dependencies=[public("says only that the process answers")])
def livez() -> Health:
    """Tell that the process answers."""
    return Health(status="ok")


@router.get(
    "/readyz",
    responses={503: {"model": Readiness}},
    dependencies=[public("says whether requests can be served, how far the index is, and names no endpoint")],
)
def readyz(response: Response, services: ServicesDep) -> Readiness:
    """Tell whether requests can be served: database and ledger answer. Warnings do not make it 503."""
    found = Readiness(status="ok")
    try:
        services.database.ping()
    except SQLAlchemyError as error:
        found.reasons.append(f"the database does not answer: {type(error).__name__}")
    try:
        _examine_ledger(services, found)
    except (LedgerError, SQLAlchemyError) as error:
        found.reasons.append(f"the ledger does not answer: {type(error).__name__}")
    if found.reasons:
        response.status_code, found.status = 503, "not ready"
    return found


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[
        public("counts by route and state, names RPC endpoints, never an id; keep it inside by the proxy")
    ],
)
def metrics(services: ServicesDep) -> Response:
    """Give the metrics in Prometheus' text format."""
    try:
        ledger = ledger_metrics.render(services.ledger.health(), services.ledger.embedded_health())
    except LedgerError:
        ledger = ledger_metrics.render(None, None)
    now, due_s = services.clock.now(), services.settings.outcome_due_s
    with services.database.read() as session:
        services.metrics.prints_overdue.set(overdue.count(session, now, due_s))
    return Response(services.metrics.render() + ledger, media_type=CONTENT_TYPE_LATEST)


def _examine_ledger(services: Services, found: Readiness) -> None:
    health = services.ledger.health()
    found.ledger = LedgerProgress(
        head=health.head, indexed=health.indexed, lag_blocks=health.lag_blocks, pending=health.pending
    )
    if not health.ok:
        found.reasons.append(f"the ledger is not ready; {_ASK_FOR} why")
    found.warnings += _about_endpoints(health)
    embedded = services.ledger.embedded_health()
    if embedded is not None and embedded.move_on is not None:
        found.warnings.append(embedded.move_on)


def _about_endpoints(health: LedgerHealth) -> Iterator[str]:
    """Yield what is wrong with endpoints without their names: anybody may read it."""
    count, which = len(health.endpoints), f"{_ASK_FOR} which"
    silent = sum(each.trouble is not None for each in health.endpoints)
    if silent:
        yield f"{silent} of {count} RPC endpoints have no vote; {which}"
    spells = [each.outvoted for each in health.endpoints if each.outvoted is not None]
    if spells:
        times, since = sum(each.times for each in spells), rfc3339(int(min(each.since for each in spells)))
        yield f"{len(spells)} of {count} RPC endpoints were outvoted, {times} times since {since}; {which}"
