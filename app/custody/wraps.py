"""The wrapped keys of the database, kept and found by context.

A wrap is written under the version that is current at that moment, in the transaction that writes it; so once
a rotation has made its version no new wrap falls behind it, and a version without wraps can be destroyed.
"""

from __future__ import annotations

from sqlalchemy import bindparam, text, update
from sqlmodel import Session, SQLModel

from app.errors import Unavailable
from app.models import WrappedSecret
from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable
from storage.keys import KeyBackend, WrappedKey

_KEYS_LOCK = 0x70760001
"""PostgreSQL advisory lock: shared by who writes a wrap, held alone by who destroys a key version."""

_COMPARED = ("tenant", "object_id", "version", "kind", "keyring", "key_version", "blob")
_TABLE = SQLModel.metadata.tables[WrappedSecret.__tablename__]
_SWAP = (
    update(_TABLE)
    .where(*(_TABLE.c[name] == bindparam(f"was_{name}") for name in _COMPARED))
    .values(
        keyring=bindparam("new_keyring"), key_version=bindparam("new_version"), blob=bindparam("new_blob")
    )
)


def keep(session: Session, keys: KeyBackend, context: ObjectContext, wrapped: WrappedKey, now: int) -> None:
    """Write a wrap, brought under the current version if that changed since it was made.

    Raises Unavailable where its version has been destroyed since then, and what `rewrap` raises; then nothing
    was written.
    """
    hold_keys(session)
    if wrapped.version != keys.current_version():
        wrapped = _renewed(keys, context, wrapped)
    row = WrappedSecret(
        tenant=context.tenant,
        object_id=context.object_id,
        version=context.version,
        kind=context.kind,
        keyring=wrapped.keyring,
        key_version=wrapped.version,
        blob=wrapped.blob,
        created_at=now,
    )
    session.add(row)


def find(session: Session, context: ObjectContext) -> WrappedKey | None:
    """Give the wrap of a context, None where there is none."""
    row = session.get(WrappedSecret, _identity(context))
    return WrappedKey(row.keyring, row.key_version, row.blob) if row else None


def get(session: Session, context: ObjectContext) -> WrappedKey:
    """Give the wrap of a context; KeyUnavailable where there is none."""
    found = find(session, context)
    if found is None:
        raise absent(context)
    return found


def absent(context: ObjectContext) -> KeyUnavailable:
    """Say that there is no wrap of a context."""
    return KeyUnavailable(
        f"there is no wrapped key for {context.kind} {context.object_id} version {context.version}; "
        "it was shredded, its owner keeps it, or its row is lost"
    )


def forget(session: Session, context: ObjectContext) -> bool:
    """Delete the wrap of a context; tells whether there was one."""
    row = session.get(WrappedSecret, _identity(context))
    if row is None:
        return False
    session.delete(row)
    return True


def swap(session: Session, read: WrappedSecret, renewed: WrappedKey) -> bool:
    """Put a wrap in the place of the one that was read; tells whether that was still there, unchanged."""
    new = {"new_keyring": renewed.keyring, "new_version": renewed.version, "new_blob": renewed.blob}
    was = {f"was_{name}": getattr(read, name) for name in _COMPARED}
    return session.connection().execute(_SWAP, was | new).rowcount == 1


def hold_keys(session: Session) -> None:
    """Keep every key version from being destroyed until this transaction ends."""
    _lock(session, "SELECT pg_advisory_xact_lock_shared(:lock)")


def hold_keys_alone(session: Session) -> None:
    """Wait until no transaction is writing a wrap, and let none until this one ends."""
    _lock(session, "SELECT pg_advisory_xact_lock(:lock)")


def _renewed(keys: KeyBackend, context: ObjectContext, wrapped: WrappedKey) -> WrappedKey:
    """Bring a wrap under the current version; Unavailable where it is too late for that."""
    try:
        return keys.rewrap(wrapped, context)
    except KeyUnavailable as error:
        if wrapped.version in keys.versions():
            raise
        raise Unavailable(
            f"key version {wrapped.version} was destroyed while {context.kind} {context.object_id} was on "
            "its way; nothing of it is kept",
            remedy="send the file again; it will be encrypted under the current key",
        ) from error


def _lock(session: Session, statement: str) -> None:
    """Take the lock; on SQLite the one writing transaction holds it already."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text(statement), {"lock": _KEYS_LOCK})


def _identity(context: ObjectContext) -> tuple[str, str, int, str]:
    return context.tenant, context.object_id, context.version, context.kind
