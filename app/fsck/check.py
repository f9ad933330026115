"""The check of the vault as a whole; it works beside a running service, and changes nothing unless told to.

The store is listed before the rows are read, so an object is never taken for an orphan because its row came
later; and what looks wrong is looked at again with fresh rows, as an upload, a rotation or a shredding may
have changed them meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlmodel import select

from app.clock import Clock
from app.database import Database
from app.designs import catalogue
from app.designs.catalogue import Catalogue, Fate, Kept
from app.fsck import keys as wrapped_keys
from app.fsck import manifests
from app.fsck.examination import examine
from app.fsck.keys import Identity, identity
from app.fsck.quarantine import QUARANTINE, quarantine
from app.fsck.report import Finding, Problem, Report
from app.models import WrappedSecret
from storage.errors import ObjectMissing, StorageError, StoreUnavailable
from storage.vault import Vault

GRACE_S = 6 * 3600
_AWAY = "run this with --repair: it is set aside under quarantine/, where you may look at it"
_RESTORE_ROW = "restore the row from a backup, and find out who wrote to the database"


@dataclass(frozen=True)
class Options:
    """What to do beside looking.

    grace_s: age from which an object that no row knows is an orphan
    decrypt: decrypt every object and compare the plaintext
    repair: set orphans aside and remove abandoned parts
    """

    grace_s: int = GRACE_S
    decrypt: bool = False
    repair: bool = False


class Fsck:
    """One check, begun: store and rows are listed, `run` examines them."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, options: Options) -> None:
        """List the store, then read the rows. Raises `KeyUnavailable` and `StoreUnavailable`."""
        vault.keys.current_version()  # where keys cannot be had at all nothing could be said of any
        self._database, self._vault, self._clock, self._options = database, vault, clock, options
        self._listed = frozenset(vault.objects.list())
        with database.read() as session:
            self._catalogue = catalogue.read(session)
            self._wraps = session.exec(select(WrappedSecret)).all()
            self._needed, self._allowed = wrapped_keys.other_referents(session)
            self._committed = manifests.committed(session)
            self._broken = list(manifests.broken(session, self._committed))
            self._broken += wrapped_keys.came_back(session)

    @property
    def bytes_total(self) -> int:
        """How many bytes `run` is going to read."""
        sizes = sum(item.stored.ciphertext_bytes for item in self._catalogue.objects)
        return sizes * 2 if self._options.decrypt else sizes

    def run(self, moved: Callable[[int], None] = lambda _: None) -> Report:
        """Examine everything; `moved` takes the bytes read since the last call."""
        findings = [*_unreadable(self._catalogue), *self._objects(moved), *self._broken]
        findings += self._keys()
        recent, orphans = self._orphans()
        repaired, left = self._repair(orphans) if self._options.repair else ([], list(orphans.values()))
        parts = self._vault.objects.sweep() if self._options.repair else 0
        aside = {key for key in self._listed if key.startswith(QUARANTINE)}
        return Report(
            counts=self._counts(),
            findings=tuple(dict.fromkeys([*findings, *left])),
            recent=tuple(recent),
            quarantined=tuple(sorted(aside | {QUARANTINE + key for key in repaired})),
            repaired=tuple(repaired),
            parts_removed=parts,
        )

    def _counts(self) -> dict[str, int]:
        fates = [item.fate for item in self._catalogue.objects]
        return {
            "objects": fates.count(Fate.KEPT),
            "owner_held": sum(item.owner_held for item in self._catalogue.objects),
            "being_shredded": fates.count(Fate.BEING_SHREDDED),
            "shredded": fates.count(Fate.SHREDDED),
            "wrapped_keys": len(self._wraps),
            "manifests": len(self._committed),
        }

    def _objects(self, moved: Callable[[int], None]) -> Iterator[Finding]:
        for item in self._catalogue.objects:
            yield from self._examined(item)
            moved(item.stored.ciphertext_bytes * (2 if self._options.decrypt else 1))

    def _examined(self, seen: Kept) -> list[Finding]:
        """Examine an object, and once more whenever its rows have changed meanwhile."""
        item = seen
        while found := examine(self._vault, item, decrypt=self._options.decrypt):
            fresh = self._again(item)
            if fresh is None:
                return []
            if fresh == item:
                return found
            item = fresh
        return []

    def _again(self, seen: Kept) -> Kept | None:
        with self._database.read() as session:
            fresh = catalogue.of_design(session, seen.design_id).objects
        place = (seen.revision_id, seen.column)
        return next((item for item in fresh if (item.revision_id, item.column) == place), None)

    def _keys(self) -> Iterator[Finding]:
        of_objects: set[Identity] = {
            identity(item.context)
            for item in self._catalogue.objects
            if item.fate is Fate.KEPT and not item.owner_held
        }
        yield from wrapped_keys.examine(
            self._database, self._vault.keys, self._wraps, of_objects, self._needed, self._allowed
        )

    def _orphans(self) -> tuple[list[str], dict[str, Finding]]:
        """Give the young unknown objects, and a finding for each old one; rows are read afresh."""
        unknown = {key for key in self._listed - self._catalogue.keys if not key.startswith(QUARANTINE)}
        if unknown:
            with self._database.read() as session:
                unknown -= catalogue.read(session).keys
        recent: list[str] = []
        orphans: dict[str, Finding] = {}
        for key in sorted(unknown):
            try:
                age_s = self._clock.time() - self._vault.objects.stat(key).modified_at.timestamp()
            except ObjectMissing:
                continue  # discarded or swept meanwhile
            if age_s < self._options.grace_s:
                recent.append(key)
            else:
                reason = f"no row knows it, and it is {age_s / 3600:.1f} hours old"
                orphans[key] = Finding(Problem.ORPHAN, f"objects {key}", "", reason, _AWAY)
        return recent, orphans

    def _repair(self, orphans: dict[str, Finding]) -> tuple[list[str], list[Finding]]:
        """Set orphans aside; gives those that were, and the findings that are left."""
        if self._catalogue.unreadable:
            return [], list(orphans.values())  # one of them may be what the unreadable record spoke of
        done: list[str] = []
        left: list[Finding] = []
        for key, finding in orphans.items():
            try:
                quarantine(self._vault.objects, key)
                done.append(key)
            except StoreUnavailable:
                raise
            except StorageError as error:
                left.append(Finding(finding.problem, finding.row, "", str(error), "set it aside by hand"))
        return done, left


def _unreadable(found: Catalogue) -> Iterator[Finding]:
    for broken in found.unreadable:
        yield Finding(Problem.UNREADABLE, broken.row, broken.column, broken.reason, _RESTORE_ROW)
