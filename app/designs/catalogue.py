"""Every stored object the database knows: for audit, vault check, sweeping and shredding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from sqlmodel import Session, col, select

from app.designs.custody import Custody, committed_custody
from app.designs.stored import file_of, thumbnail_context
from app.errors import AppError
from app.models import Design, Revision, Shredding, WrappedSecret
from storage.envelope import ObjectContext
from storage.errors import StorageError
from storage.keys import WrappedKey
from storage.vault import StoredObject


class Fate(StrEnum):
    """What the rows say became of an object.

    kept: it is to be there, and so is its key · being_shredded: confirmed, its key is gone, it itself may be
    there still · shredded: key and object are gone, on record · unrecorded: its design is marked as shredded
    and no shredding is on record.
    """

    KEPT = "kept"
    BEING_SHREDDED = "being_shredded"
    SHREDDED = "shredded"
    UNRECORDED = "unrecorded"


@dataclass(frozen=True)
class Kept:
    """An object that a row speaks of, in `column`; with its wrapped key where there is one.

    Where its owner holds the key, `owner_held`, there must be none.
    """

    design_id: str
    revision_id: str
    column: str
    stored: StoredObject
    context: ObjectContext
    fate: Fate
    owner_held: bool

    @property
    def row(self) -> str:
        """Name table and id."""
        return f"revisions {self.revision_id}"


@dataclass(frozen=True)
class Unreadable:
    """A record of an object that cannot be read: whatever it referred to is not known."""

    row: str
    column: str
    reason: str


@dataclass(frozen=True)
class Catalogue:
    """The objects of one moment."""

    objects: tuple[Kept, ...]
    unreadable: tuple[Unreadable, ...]

    @cached_property
    def keys(self) -> frozenset[str]:
        """Give the names under which the store may hold them."""
        return frozenset(item.stored.object_key for item in self.objects)


def read(session: Session) -> Catalogue:
    """List every object of every revision."""
    return _catalogue(
        session, session.exec(select(Revision)).all(), session.exec(select(WrappedSecret)).all()
    )


def of_design(session: Session, design_id: str) -> Catalogue:
    """List the objects of one design, those of refused and unfinished revisions too."""
    revisions = session.exec(select(Revision).where(Revision.design_id == design_id)).all()
    mine = col(WrappedSecret.object_id).in_([row.id for row in revisions])
    return _catalogue(session, revisions, session.exec(select(WrappedSecret).where(mine)).all())


def _catalogue(session: Session, revisions: Iterable[Revision], wraps: Iterable[WrappedSecret]) -> Catalogue:
    fates, custodies = _fates(session), dict(session.exec(select(Design.id, Design.custody)).all())
    wrapped = {(row.tenant, row.object_id, row.version, row.kind): row for row in wraps}
    objects: list[Kept] = []
    unreadable: list[Unreadable] = []
    for row in revisions:
        for column, place in _PLACES.items():
            if getattr(row, column) is None:
                continue
            try:
                stored, context = place(row)
            except (StorageError, AppError) as error:
                unreadable.append(Unreadable(f"revisions {row.id}", column, str(error)))
                continue
            found = wrapped.get((context.tenant, context.object_id, context.version, context.kind))
            if found is not None:
                stored = replace(stored, wrapped=WrappedKey(found.keyring, found.key_version, found.blob))
            fate = fates.get(row.design_id, Fate.KEPT)
            held = _custody(row, custodies) == Custody.OWNER
            objects.append(Kept(row.design_id, row.id, column, stored, context, fate, held))
    return Catalogue(tuple(objects), tuple(unreadable))


def _custody(row: Revision, of_designs: Mapping[str, str]) -> str | None:
    """Give what the owner committed to, or where nothing legible was, what the design says."""
    with suppress(AppError):
        if row.manifest is not None:
            return committed_custody(row)
    return of_designs.get(row.design_id)


def _fates(session: Session) -> dict[str, Fate]:
    """Give the fate of every design that is not simply kept."""
    marked = session.exec(select(Design.id).where(col(Design.shredded_at).is_not(None))).all()
    recorded = session.exec(select(Shredding.design_id, Shredding.state)).all()
    states = {design_id: _RECORDED[state] for design_id, state in recorded if state in _RECORDED}
    return {design_id: states.get(design_id, Fate.UNRECORDED) for design_id in marked}


def _thumbnail(row: Revision) -> tuple[StoredObject, ObjectContext]:
    return StoredObject.from_json(row.thumbnail_object or {}), thumbnail_context(row)


_PLACES: Mapping[str, Callable[[Revision], tuple[StoredObject, ObjectContext]]] = {
    "file_object": file_of,
    "thumbnail_object": _thumbnail,
}
_RECORDED = {"confirmed": Fate.BEING_SHREDDED, "shredded": Fate.SHREDDED}
