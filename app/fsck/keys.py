"""Wrapped keys against what they are for: none too many, none too few, and each opens."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlmodel import Session, col, select

from app.accounts.signing import MANAGED
from app.database import Database
from app.fsck.report import Finding, Problem
from app.models import (
    Design,
    IdempotencyRecord,
    Licence,
    LicenceKey,
    Organisation,
    Release,
    Revision,
    WrappedSecret,
)
from app.wiring import SERVICE_TENANT
from storage.envelope import ObjectContext
from storage.errors import InvalidName, KeyUnavailable, WrongContext
from storage.keys import KeyBackend, WrappedKey

Identity = tuple[str, str, int, str]
"""Primary key of a wrapped key: tenant, object id, version, kind."""

_RESTORE = "restore the row from a backup, and find out who wrote to the database"


def identity(context: ObjectContext) -> Identity:
    """Give the primary key of a context's wrap."""
    return context.tenant, context.object_id, context.version, context.kind


def other_referents(session: Session) -> tuple[set[Identity], set[Identity]]:
    """Give what keys are for beside objects: what must have one, and what may.

    Managed accounts must, and so must secrets shown once that can still be shown again; the relay's account
    may, as its key can be a setting.
    """
    managed = session.exec(select(Organisation.id).where(Organisation.account_type == MANAGED)).all()
    shown = session.exec(
        select(IdempotencyRecord.organisation_id, IdempotencyRecord.row_id).where(
            col(IdempotencyRecord.secret_prefix).is_not(None)
        )
    ).all()
    needed = {(row_id, row_id, 1, "account") for row_id in managed}
    needed |= {(tenant, row_id, 1, "once-shown") for tenant, row_id in shown}
    return needed, {(SERVICE_TENANT, "relay-account", 1, "account")}


def examine(
    database: Database,
    keys: KeyBackend,
    rows: Collection[WrappedSecret],
    of_objects: Collection[Identity],
    needed: Collection[Identity],
    allowed: Collection[Identity],
) -> Iterator[Finding]:
    """Yield what is wrong with the wrapped keys; those `of_objects` are examined with their objects."""
    present = {_identity_of(row) for row in rows}
    for row in rows:
        found = _identity_of(row)
        if found in of_objects:
            continue
        if found not in needed and found not in allowed:
            reason = "it belongs to no object, account or request that the database knows"
            remedy = "nothing needs it: copy the row away, then delete it"
            yield Finding(Problem.KEY_STRAY, _name(found), "object_id", reason, remedy)
        fault = _fault(keys, row)
        if fault is not None and _unchanged(database, row):
            yield Finding(Problem.KEY_UNUSABLE, _name(found), "blob", fault, _RESTORE)
    for lacking in sorted(set(needed) - present):
        yield Finding(Problem.KEY_MISSING, _name(lacking), "blob", "there is no such row", _RESTORE)


def came_back(session: Session) -> Iterator[Finding]:
    """Yield the sealed keys of shredded designs: they were destroyed, so somebody restored them."""
    shredded = select(Revision.id).join(Design).where(col(Design.shredded_at).is_not(None))
    releases = select(Release.id).where(col(Release.body).is_not(None))
    licences = select(LicenceKey.licence_id).join(Licence)
    remedy = "delete the row, and find out who restored it"
    for row_id in session.exec(releases.where(col(Release.revision_id).in_(shredded))).all():
        reason = "it holds a sealed key, although its design was shredded"
        yield Finding(Problem.SHREDDING, f"releases {row_id}", "body", reason, remedy)
    for row_id in session.exec(licences.where(col(Licence.revision_id).in_(shredded)).distinct()).all():
        reason = "it has a sealed key, although its design was shredded"
        yield Finding(Problem.SHREDDING, f"licence_keys {row_id}", "blob", reason, remedy)


def _fault(keys: KeyBackend, row: WrappedSecret) -> str | None:
    """Say why the wrap does not open, None where it does."""
    try:
        context = ObjectContext(row.tenant, row.object_id, row.version, row.kind)
        keys.unwrap(WrappedKey(row.keyring, row.key_version, row.blob), context).wipe()
    except (InvalidName, WrongContext, KeyUnavailable) as error:
        return str(error)
    return None


def _unchanged(database: Database, row: WrappedSecret) -> bool:
    """Tell whether the row is still the one that was read: a rotation may have brought it further."""
    with database.read() as session:
        now = session.get(WrappedSecret, _identity_of(row))
    return now is not None and (now.key_version, now.blob) == (row.key_version, row.blob)


def _identity_of(row: WrappedSecret) -> Identity:
    return row.tenant, row.object_id, row.version, row.kind


def _name(found: Identity) -> str:
    return f"wrapped_keys {' '.join(str(part) for part in found)}"
