"""How the key versions stand: which are held, what is wrapped under each, what was destroyed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlmodel import col, select

from app.clock import rfc3339
from app.custody import census, rotation
from app.custody.keyring import prove
from app.database import Database
from app.models import KeyDestruction, KeyRotation
from storage.keys import KeyBackend


class VersionState(StrEnum):
    """What a key version is good for."""

    CURRENT = "current"
    OLD = "old"
    DESTROYED = "destroyed"
    MISSING = "missing"
    """Wraps name it, but the back end holds it no more and nobody destroyed it here."""


@dataclass(frozen=True)
class Version:
    """A key version; `keyring` is another than the back end's where wraps name one that is not here."""

    keyring: str
    version: str
    state: VersionState
    wraps: int
    destroyed_at: str | None = None


@dataclass(frozen=True)
class Survey:
    """Every version that the back end, a wrap or a record of destruction knows."""

    backend: str
    keyring: str
    current: str
    versions: tuple[Version, ...]
    rotation: KeyRotation | None

    @property
    def ok(self) -> bool:
        """Tell whether everything is wrapped under a version that is held."""
        lost = (VersionState.DESTROYED, VersionState.MISSING)
        return not any(each.wraps and each.state in lost for each in self.versions)

    def to_json(self) -> dict[str, Any]:
        """Give the fields as JSON."""
        return {
            "ok": self.ok,
            "backend": self.backend,
            "keyring": self.keyring,
            "current": self.current,
            "versions": [asdict(each) for each in self.versions],
            "rotation": None if self.rotation is None else rotation.as_json(self.rotation),
        }


def survey(database: Database, keys: KeyBackend) -> Survey:
    """Look at the back end and the rows of one moment; raises `KeyUnavailable`."""
    home = prove(keys)
    held = {(home.keyring, version) for version in keys.versions()}
    with database.read() as session:
        wraps = census.by_version(session)
        records = session.exec(select(KeyDestruction).where(col(KeyDestruction.destroyed_at).is_not(None)))
        gone = {(row.keyring, row.version): row.destroyed_at or 0 for row in records.all()}
        running = rotation.unfinished(session)

    def of(place: tuple[str, str]) -> Version:
        at = rfc3339(gone[place]) if place in gone else None
        if place == (home.keyring, home.current):
            state = VersionState.CURRENT
        elif place in held:
            state = VersionState.OLD
        else:
            state = VersionState.DESTROYED if at else VersionState.MISSING
        return Version(*place, state, wraps.get(place, 0), at)

    places = sorted(held | wraps.keys() | gone.keys(), key=lambda place: (place[0], len(place[1]), place[1]))
    return Survey(keys.uri, home.keyring, home.current, tuple(map(of, places)), running)
