"""Which prints and releases a caller sees: those of the licences it is a party of; a printer, its own."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam
from sqlmodel import Session, col, false, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from app.auth.principals import Principal, PrinterPrincipal, Role
from app.errors import NotFound
from app.models import Print, Release

_CHOSEN = select(Print).where(col(Print.id).in_(bindparam("ids", expanding=True)))
_LOCKED = _CHOSEN.order_by(col(Print.id)).with_for_update()


def prints(principal: Principal) -> SelectOfScalar[Print]:
    """Owners see prints of their designs, providers those on their printers, auditors both of their
    organisation.
    """
    mine = principal.organisation_id
    owned = Print.owner_id == mine if principal.has(Role.OWNER, Role.AUDITOR) else false()
    provided = Print.provider_id == mine if principal.has(Role.PROVIDER, Role.AUDITOR) else false()
    return select(Print).where(or_(owned, provided))


def print_of(session: Session, principal: Principal, print_id: str) -> Print:
    """One print the caller sees; NotFound otherwise."""
    row = session.exec(prints(principal).where(Print.id == print_id)).first()
    if row is None:
        raise NotFound("print", print_id)
    return row


def owned(session: Session, principal: Principal, print_id: str) -> Print:
    """One print of the caller's own designs; NotFound otherwise."""
    row = print_of(session, principal, print_id)
    if row.owner_id != principal.organisation_id:
        raise NotFound("print", print_id)
    return row


def hold(session: Session, print_id: str) -> None:
    """Hold a print until the transaction ends, if it is there: whoever changes it comes before or after."""
    session.exec(select(Print.id).where(Print.id == print_id).with_for_update()).first()


def provided(session: Session, principal: Principal, print_id: str) -> Print:
    """One print on the caller's own printers, held until the transaction ends; NotFound otherwise."""
    mine = Print.provider_id == principal.organisation_id
    row = session.exec(prints(principal).where(Print.id == print_id, mine).with_for_update()).first()
    if row is None:
        raise NotFound("print", print_id)
    return row


def on_printer(session: Session, principal: PrinterPrincipal, print_id: str) -> Print:
    """One print that was authorised for this printer; NotFound otherwise."""
    query = select(Print).where(Print.id == print_id).where(Print.printer_id == principal.printer_id)
    row = session.exec(query.with_for_update()).first()
    if row is None:
        raise NotFound("print", print_id)
    return row


def release_to(session: Session, principal: PrinterPrincipal, release_id: str) -> Release:
    """One release to this printer; NotFound otherwise."""
    query = select(Release).where(Release.id == release_id).where(Release.printer_id == principal.printer_id)
    row = session.exec(query).first()
    if row is None:
        raise NotFound("release", release_id)
    return row


def by_ids(session: Session, print_ids: Collection[str], *, locked: bool = False) -> dict[str, Print]:
    """Those prints that there are; where they are locked, in the order of their ids."""
    query = _LOCKED if locked else _CHOSEN
    rows = session.exec(query, params={"ids": list(print_ids)}).all() if print_ids else ()
    return {row.id: row for row in rows}


def on_printers(
    session: Session, wanted: Collection[tuple[PrinterPrincipal, str]]
) -> dict[tuple[str, str], Print]:
    """Prints that were authorised for these printers, by printer and id, locked; what is not is absent."""
    found = by_ids(session, {print_id for _, print_id in wanted}, locked=True)
    return {
        (principal.printer_id, print_id): found[print_id]
        for principal, print_id in wanted
        if print_id in found and found[print_id].printer_id == principal.printer_id
    }
