"""HTTP routes of the ledger."""

import json
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping

from app import submission
from app.auth.principals import Role
from app.clock import rfc3339
from app.dependencies import AnyCaller, Limit, ReaderCaller, ServicesDep
from app.encodings import Hex32, JsonObject, from_hex, maybe_hex, to_hex
from app.evidence import print_bundle, queries, service
from app.evidence.queries import Cursor
from app.evidence.schemas import EndpointView, EventView, LedgerView, OperationView
from app.licences import queries as licence_queries
from app.pages import Page
from app.prints import queries as print_queries
from ledger.endpoint_health import EndpointHealth

router = APIRouter(prefix="/v1", tags=["ledger"])


def _event(row: RowMapping) -> EventView:
    return EventView(
        name=row["name"],
        block_number=row["block_number"],
        log_index=row["log_index"],
        transaction=to_hex(row["tx_hash"]),
        licence_hash=maybe_hex(row["licence"]),
        printer_hash=maybe_hex(row["printer"]),
        revision_hash=maybe_hex(row["revision"]),
        body=json.loads(row["body"]),
    )


def _endpoint(health: EndpointHealth) -> EndpointView:
    spell = health.outvoted
    return EndpointView(
        endpoint=health.name,
        trouble=health.trouble,
        outvoted=0 if spell is None else spell.times,
        outvoted_since=None if spell is None else rfc3339(int(spell.since)),
        outvoted_last=None if spell is None else rfc3339(int(spell.last)),
        said=None if spell is None else spell.said,
    )


@router.get("/ledger")
def get_ledger(caller: AnyCaller, services: ServicesDep) -> LedgerView:
    """Show which chain and contract the service writes to, and how far it has come."""
    health = services.ledger.health()
    told, reason = health.endpoints, health.reason
    if not caller.has(Role.OPERATOR):  # endpoints and their errors concern nobody else
        told, reason = (), reason and "the operator is told why"
    return LedgerView(
        chain_id=health.chain_id,
        contract=health.contract,
        code_hash=to_hex(services.ledger.code_hash),
        head=health.head,
        indexed=health.indexed,
        finalised=health.finalised,
        lag_blocks=health.lag_blocks,
        pending=health.pending,
        embedded=health.embedded,
        ok=health.ok,
        reason=reason,
        restarts=health.restarts,
        endpoints=[_endpoint(each) for each in told],
    )


@router.get("/ledger/events")
def list_events(
    caller: ReaderCaller,
    services: ServicesDep,
    licence_hash: Hex32 | None = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=40)] = None,
) -> Page[EventView]:
    """List the contract's events about your licences, printers and revisions, in chain order."""
    wanted = from_hex(licence_hash) if licence_hash else None
    after = Cursor.read(cursor) if cursor else None
    with services.database.read() as session:
        rows = queries.events(session, caller, wanted, after, limit + 1)
    shown = [_event(row) for row in rows[:limit]]
    last = str(Cursor(shown[-1].block_number, shown[-1].log_index)) if len(rows) > limit else None
    return Page(items=shown, next_cursor=last)


@router.get("/ledger/operations/{operation_id}")
def get_operation(operation_id: str, caller: ReaderCaller, services: ServicesDep) -> OperationView:
    """Show where an operation of yours stands."""
    with services.database.read() as session:
        queries.require_operation(session, caller, operation_id)
        status = submission.status_of(session, operation_id)
    return OperationView(
        operation_id=status.operation_id,
        kind=status.kind,
        state=status.state,
        receipt=submission.receipt(status),
        reason=status.reason,
    )


@router.get("/licences/{licence_id}/evidence", tags=["evidence"])
def get_licence_evidence(licence_id: str, caller: ReaderCaller, services: ServicesDep) -> JsonObject:
    """Give the evidence about a licence: all that an auditor needs beside the chain itself."""
    with services.database.read() as session:
        row = licence_queries.licence(session, caller, licence_id)
        return service.build(services, session, caller, [row])


@router.get("/prints/{print_id}/evidence", tags=["evidence"])
def get_print_evidence(print_id: str, caller: ReaderCaller, services: ServicesDep) -> JsonObject:
    """Give the evidence of one print, with the proof that each of its events is in a block.

    `partvault audit --bundle` verifies it without the service.
    """
    with services.database.read() as session:
        row = print_queries.print_of(session, caller, print_id)
        return print_bundle.build(services, session, caller, row)


@router.get("/evidence", tags=["evidence"])
def get_evidence(caller: ReaderCaller, services: ServicesDep) -> JsonObject:
    """Give the evidence about every licence you are a party of."""
    with services.database.read() as session:
        rows = session.exec(licence_queries.licences(caller)).all()
        return service.build(services, session, caller, rows)
