"""Which facts of the ledger a caller sees: those about its own licences, printers and revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, false, or_, tuple_
from sqlalchemy import select as select_core
from sqlmodel import Session, col, select

from app.auth.principals import Principal, Role
from app.errors import Invalid, NotFound
from app.licences import queries as licence_queries
from app.models import Licence, Print, Printer, Revision
from ledger import tables
from ledger.events import PrintsTransferred

_events = tables.events


@dataclass(frozen=True)
class Cursor:
    """Where a page of events ended: block number and log index."""

    block_number: int
    log_index: int

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read what `str` wrote; Invalid names the cursor."""
        block, _, log = text.partition(".")
        if not block.isdigit() or not log.isdigit():
            raise Invalid("this is no cursor", field="cursor", remedy="send next_cursor of the page before")
        return cls(int(block), int(log))

    def __str__(self) -> str:
        return f"{self.block_number}.{self.log_index}"


def events(
    session: Session, principal: Principal, licence_hash: bytes | None, after: Cursor | None, limit: int
) -> Sequence[RowMapping]:
    """Read the events the caller sees, in chain order; of one licence where it is named."""
    query = select_core(_events).order_by(_events.c.block_number, _events.c.log_index).limit(limit)
    if licence_hash is not None:
        _require_licence(session, principal, licence_hash)
        taken = select_core(col(Licence.id)).where(col(Licence.licence_hash) == licence_hash)
        query = query.where(or_(_events.c.licence == licence_hash, _transfers(taken)))
    else:
        query = query.where(_visible(principal))
    if after is not None:
        position = tuple_(_events.c.block_number, _events.c.log_index)
        query = query.where(position > tuple_(after.block_number, after.log_index))
    return session.connection().execute(query).mappings().all()


def require_operation(session: Session, principal: Principal, operation_id: str) -> None:
    """NotFound unless a row the caller sees caused the operation."""
    mine = principal.organisation_id
    licences = licence_queries.licences(principal)
    owner = principal.has(Role.OWNER, Role.AUDITOR)
    provider = principal.has(Role.PROVIDER, Role.AUDITOR)
    of_licence = or_(
        col(Licence.grant_operation) == operation_id, col(Licence.revoke_operation) == operation_id
    )
    of_print = or_(col(Print.record_operation) == operation_id, col(Print.outcome_operation) == operation_id)
    of_printer = or_(
        col(Printer.enrol_operation) == operation_id, col(Printer.retire_operation) == operation_id
    )
    of_revision = col(Revision.publish_operation) == operation_id
    seen = [licences.with_only_columns(col(Licence.id)).where(of_licence)]
    of_transfer = col(Licence.transferred_from).in_(licences.with_only_columns(col(Licence.id)))
    seen += [select(Licence.id).where(of_transfer, col(Licence.grant_operation) == operation_id)]
    parties = [(owner, col(Print.owner_id)), (provider, col(Print.provider_id))]
    seen += [select(Print.id).where(of_print, party == mine) for may, party in parties if may]
    seen += [select(Printer.id).where(of_printer, Printer.organisation_id == mine)] if provider else []
    seen += [select(Revision.id).where(of_revision, Revision.organisation_id == mine)] if owner else []
    if not any(session.connection().execute(query.limit(1)).first() for query in seen):
        raise NotFound("operation", operation_id)


def _require_licence(session: Session, principal: Principal, licence_hash: bytes) -> None:
    query = licence_queries.licences(principal).where(Licence.licence_hash == licence_hash)
    if session.exec(query).first() is None:
        raise NotFound("licence", "0x" + licence_hash.hex())


def _visible(principal: Principal) -> ColumnElement[bool]:
    mine = principal.organisation_id
    owner = principal.has(Role.OWNER, Role.AUDITOR)
    provider = principal.has(Role.PROVIDER, Role.AUDITOR)
    licences: Select[tuple[bytes]] = licence_queries.licences(principal).with_only_columns(
        col(Licence.licence_hash)
    )
    printers = select_core(col(Printer.printer_hash)).where(col(Printer.organisation_id) == mine)
    revisions = select_core(col(Revision.revision_hash)).where(col(Revision.organisation_id) == mine)
    return or_(
        _events.c.licence.in_(licences),
        _transfers(licence_queries.licences(principal).with_only_columns(col(Licence.id))),
        _events.c.licence.is_(None) & _events.c.printer.in_(printers) if provider else false(),
        _events.c.licence.is_(None) & _events.c.revision.in_(revisions) if owner else false(),
    )


def _transfers(origins: Select[Any]) -> ColumnElement[bool]:
    """Transfers that took prints from these licences, and nothing of what became of the prints."""
    made = select_core(col(Licence.licence_hash)).where(col(Licence.transferred_from).in_(origins))
    return (_events.c.name == PrintsTransferred.__name__) & _events.c.licence.in_(made)
