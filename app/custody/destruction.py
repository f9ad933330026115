"""Destruction of a key version that nothing is wrapped under any more.

The intent is written before the key goes, and the end after: whatever stops a destruction, running it again
completes it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session

from app.clock import Clock
from app.custody import census, rotation, wraps
from app.custody.keyring import Home, prove
from app.database import Database
from app.errors import Conflict, Reason
from app.models import KeyDestruction
from storage.keys import KeyBackend

_STATUS = "look at `partvault keys status`"


def require_destroyable(database: Database, keys: KeyBackend, version: str) -> None:
    """Raise Conflict where `destroy` would refuse before it looks at the wraps themselves."""
    home = prove(keys)
    with database.read() as session:
        if not _gone(session, home, keys, version):
            _require_unused(session, home, version)


def destroy(
    database: Database,
    keys: KeyBackend,
    clock: Clock,
    version: str,
    seen: Callable[[int], None] = lambda _: None,
) -> KeyDestruction:
    """Destroy a key version for ever, once it is certain that nobody needs it.

    1. One that is gone already only gets its record completed.
    2. It is held and not current, no rotation is unfinished, and no wrap is under it.
    3. Every wrap of the database opens under the version it names: one that stays.
    4. The intent is written.
    5. While no wrap is being written, (2) is checked again, the key destroyed and the end noted.

    `seen` takes how many wraps were opened. Raises Conflict, which names the wraps that do not open, and
    `KeyUnavailable`.
    """
    home = prove(keys)
    # (1) what a stopped run left
    with database.write() as session:
        if _gone(session, home, keys, version):
            return _noted(session, home, version, clock)
        # (2) unused
        _require_unused(session, home, version)
    # (3) every other opens
    verified = _require_all_open(database, keys, version, seen)
    # (4) the intent
    with database.write() as session:
        row = session.get(KeyDestruction, (home.keyring, version))
        row = row or KeyDestruction(keyring=home.keyring, version=version, verified=0, begun_at=clock.now())
        row.verified = verified
        session.add(row)
    # (5) the end
    with database.write() as session:
        wraps.hold_keys_alone(session)
        if not _gone(session, home, keys, version):
            _require_unused(session, Home(home.keyring, keys.current_version()), version)
            keys.destroy(version)
        return _noted(session, home, version, clock)


def _gone(session: Session, home: Home, keys: KeyBackend, version: str) -> bool:
    """Tell whether a version was destroyed; Conflict for one that was never here."""
    held = keys.versions()
    if version in held:
        return False
    if session.get(KeyDestruction, (home.keyring, version)) is None:
        raise Conflict(f"{keys.uri} holds no version {version}, only {', '.join(held)}", remedy=_STATUS)
    return True


def _noted(session: Session, home: Home, version: str, clock: Clock) -> KeyDestruction:
    row = session.get_one(KeyDestruction, (home.keyring, version))
    row.destroyed_at = row.destroyed_at or clock.now()
    session.add(row)
    return row


def _require_unused(session: Session, home: Home, version: str) -> None:
    """Refuse a version that something still needs; Conflict."""
    if version == home.current:
        raise Conflict(
            f"version {version} is current", remedy="run `partvault keys rotate` before you destroy it"
        )
    running = rotation.unfinished(session)
    if running is not None:
        raise Conflict(
            f"rotation {running.id} from version {running.from_version} is not finished",
            remedy="run `partvault keys rotate` until it is",
        )
    wrapped = census.count(session, census.under(home.keyring, version))
    if wrapped:
        raise Conflict(
            f"wrapped keys still under version {version}: {wrapped}", remedy="run `partvault keys rotate`"
        )


def _require_all_open(database: Database, keys: KeyBackend, version: str, seen: Callable[[int], None]) -> int:
    """Open every wrap and give their number; Conflict names those that do not open."""
    opened = 0

    def count(tried: int) -> None:
        nonlocal opened
        opened += tried
        seen(tried)

    failed = list(census.unopened(database, keys, count))
    if failed:
        raise Conflict(
            f"wrapped keys that do not open: {len(failed)}; version {version} stays until they do",
            remedy="restore their rows from a backup, or shred what they belong to",
            reasons=[Reason(each.kind, f"{each.row}: {each.detail}", "keys") for each in failed],
        )
    return opened
