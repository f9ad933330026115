"""Rotation: a new key version, and every wrap of the database brought under it while the service runs.

Objects in the store stay as they are: only rows are rewritten. `app.custody.stages` tells how a rotation that
was stopped is found and continued.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlmodel import Session, col, select, update

from app.clock import Clock, rfc3339
from app.custody import census, wraps
from app.custody.census import Unopened
from app.custody.keyring import Home, prove, require_home
from app.custody.stages import Stage, Step, after, lacks_version
from app.database import Database
from app.errors import Conflict
from app.identifiers import new_id
from app.models import KeyRotation, WrappedSecret
from storage.envelope import ObjectContext
from storage.errors import KeyUnavailable
from storage.keys import KeyBackend, WrappedKey

_ROTATION = "rot"


@dataclass(frozen=True)
class Outcome:
    """How a run ended: with none left behind, or with those that do not open."""

    rotation: KeyRotation
    failed: tuple[Unopened, ...] = ()

    @property
    def complete(self) -> bool:
        """Tell whether every wrap is under the new version."""
        return self.rotation.state == Stage.DONE

    def to_json(self) -> dict[str, Any]:
        """Give the rotation and the wraps that do not open as JSON."""
        return {
            **as_json(self.rotation),
            "complete": self.complete,
            "failed": [each.to_json() for each in self.failed],
        }


def begin(database: Database, keys: KeyBackend, clock: Clock, from_version: str | None = None) -> KeyRotation:
    """Begin a rotation, or take up the one that was stopped; afterwards its version is current.

    1. The back end's current version wraps and opens.
    2. The rotation is written down before a version is made for it; a stopped one is found here.
    3. The version is made, unless it was before the stop, and noted while no wrap is being written: whoever
       writes one afterwards sees the new version.

    `from_version` makes a repeat harmless: where that version is no longer current, the rotation that led
    away from it is given. Raises Conflict where there is none such or the wraps are another keyring's, and
    `KeyUnavailable`.
    """
    # (1) the back end
    home = prove(keys)
    # (2) the intent
    with database.write() as session:
        wraps.hold_keys_alone(session)
        row = _unfinished(session, home, keys, from_version) or _led_away(session, home, from_version)
        if row is None:
            row = _note(session, home, keys, clock)
    # (3) the version
    return _make_version(database, keys, row.id) if row.state == Stage.PREPARING else row


def complete(
    database: Database,
    keys: KeyBackend,
    clock: Clock,
    rotation: KeyRotation,
    seen: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Re-wrap whatever is behind, pass by pass, until nothing is left but what does not open.

    A wrap that does not open stops no other; the rotation then stays unfinished and the next run tries again.
    `seen` takes how many wraps were tried. Raises `KeyUnavailable` where the back end does not answer.
    """
    outcome = Outcome(rotation) if rotation.state == Stage.DONE else None
    while outcome is None:
        failed = _pass(database, keys, rotation, seen)
        outcome = _settle(database, keys, clock, rotation, failed)
    return outcome


def behind(database: Database, keys: KeyBackend, rotation: KeyRotation) -> int:
    """Count the wraps that are not under the current version yet."""
    with database.read() as session:
        return census.count(session, census.behind(rotation.keyring, keys.current_version()))


def as_json(rotation: KeyRotation) -> dict[str, Any]:
    """Give a rotation's row as JSON, times as RFC 3339."""
    times = {"started_at": rotation.started_at, "finished_at": rotation.finished_at}
    return rotation.model_dump() | {name: None if at is None else rfc3339(at) for name, at in times.items()}


def unfinished(session: Session) -> KeyRotation | None:
    """Give the rotation that is not done, None where there is none."""
    return session.exec(select(KeyRotation).where(KeyRotation.state != Stage.DONE)).first()


def _unfinished(
    session: Session, home: Home, keys: KeyBackend, from_version: str | None
) -> KeyRotation | None:
    row = unfinished(session)
    if row is None:
        return None
    require_home(home, row.keyring, keys)
    if from_version not in (None, row.from_version):
        raise Conflict(
            f"rotation {row.id} from version {row.from_version} is not finished",
            remedy=f"finish it first: run `partvault keys rotate --from {row.from_version}`",
        )
    return row


def _led_away(session: Session, home: Home, from_version: str | None) -> KeyRotation | None:
    """Give the latest rotation away from a version that is no longer current."""
    if from_version in (None, home.current):
        return None
    query = select(KeyRotation).where(
        KeyRotation.keyring == home.keyring, KeyRotation.from_version == from_version
    )
    row = session.exec(query.order_by(col(KeyRotation.id).desc())).first()
    if row is None:
        raise Conflict(
            f"version {from_version} is not current, {home.current} is",
            remedy="look at `partvault keys status`",
        )
    return row


def _note(session: Session, home: Home, keys: KeyBackend, clock: Clock) -> KeyRotation:
    """Write down that a version is going to be made; refused where every wrap is another keyring's."""
    rings = sorted({ring for ring, _ in census.by_version(session)})
    if rings and home.keyring not in rings:
        require_home(home, rings[0], keys)
    row = KeyRotation(
        id=new_id(_ROTATION),
        keyring=home.keyring,
        from_version=home.current,
        state=Stage.PREPARING,
        started_at=clock.now(),
    )
    session.add(row)
    return row


def _make_version(database: Database, keys: KeyBackend, rotation_id: str) -> KeyRotation:
    """Make the version in the transaction that notes it: of two runs at a time only one makes it."""
    with database.write() as session:
        wraps.hold_keys_alone(session)
        row = session.get_one(KeyRotation, rotation_id)
        stage = Stage(row.state)
        if stage != Stage.PREPARING:
            return row
        if lacks_version(stage, row.from_version, keys.current_version()):
            keys.rotate()
        home = prove(keys)
        if home.current == row.from_version:
            raise KeyUnavailable(f"{keys.uri} does not show its new version yet; run this again in a minute")
        row.to_version, row.state = home.current, after(stage, Step.VERSION_MADE)
        session.add(row)
        return row


def _pass(
    database: Database, keys: KeyBackend, rotation: KeyRotation, seen: Callable[[int], None]
) -> dict[str, Unopened]:
    """Try every wrap that is behind, once; gives those that do not open, by their rows' names."""
    failed: dict[str, Unopened] = {}
    with census.trying(keys, partial(_renew, keys)) as try_all:
        for rows in census.batches(database, census.behind(rotation.keyring, keys.current_version())):
            renewed: list[tuple[WrappedSecret, WrappedKey]] = []
            for row, answer in zip(rows, try_all(rows), strict=True):
                if isinstance(answer, Unopened):
                    failed[answer.row] = answer
                else:
                    renewed.append((row, answer))
            _swap(database, rotation, renewed)
            seen(len(rows))
    return failed


def _renew(keys: KeyBackend, wrapped: WrappedKey, context: ObjectContext) -> WrappedKey:
    renewed = keys.rewrap(wrapped, context)
    if renewed.version == wrapped.version:
        raise KeyUnavailable(f"{keys.uri} still re-wraps to version {wrapped.version}; run this again")
    return renewed


def _swap(
    database: Database, rotation: KeyRotation, renewed: Iterable[tuple[WrappedSecret, WrappedKey]]
) -> None:
    """Put renewed wraps in the place of the ones that were read, where those are still there unchanged."""
    with database.write() as session:
        wraps.hold_keys(session)
        swapped = sum(wraps.swap(session, row, wrapped) for row, wrapped in renewed)
        total = KeyRotation.rewrapped + swapped
        session.exec(update(KeyRotation).where(col(KeyRotation.id) == rotation.id).values(rewrapped=total))


def _settle(
    database: Database, keys: KeyBackend, clock: Clock, rotation: KeyRotation, failed: dict[str, Unopened]
) -> Outcome | None:
    """End the run while no wrap is being written; None where a wrap is left that another pass can move."""
    with database.write() as session:
        wraps.hold_keys_alone(session)
        row = session.get_one(KeyRotation, rotation.id)
        if row.state == Stage.DONE:  # by another run
            return Outcome(row)
        row.to_version = keys.current_version()
        left = census.names(session, census.behind(row.keyring, row.to_version))
        if not left <= failed.keys():
            return None
        row.unopened = len(left)
        if not left:
            row.state, row.finished_at = after(Stage(row.state), Step.NONE_LEFT), clock.now()
        session.add(row)
        return Outcome(row, tuple(failed[name] for name in sorted(left)))
