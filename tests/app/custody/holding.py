"""A database of wrapped keys and the keyring they are under, real and small, without the service."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import select

from app.custody import rotation, wraps
from app.custody.rotation import Outcome
from app.database import Database, open_database, upgrade
from app.models import KeyRotation
from app.settings import Settings
from storage.envelope import ObjectContext
from storage.keys import KeyBackend, open_keys
from storage.secret import DataKey
from tests.app.service import HandClock


def context(number: int, **changes: Any) -> ObjectContext:
    """The context of wrap `number`: tenants and kinds take turns."""
    fields = {
        "tenant": f"org_{number % 3}",
        "object_id": f"rev_{number:06}",
        "version": 1 + number % 2,
        "kind": ("file", "thumbnail", "account")[number % 3],
    }
    return ObjectContext(**(fields | changes))


@dataclass
class Holding:
    """Wraps and what they hold, so that a test can tell whether each still opens to the same key."""

    database: Database
    keys: KeyBackend
    clock: HandClock = field(default_factory=HandClock)
    secrets: dict[ObjectContext, DataKey] = field(default_factory=dict)

    def fill(self, count: int) -> None:
        """Add wraps under the current version, in one transaction."""
        start = len(self.secrets)
        with self.database.write() as session:
            for number in range(start, start + count):
                key, wrapped = self.keys.generate(context(number))
                wraps.keep(session, self.keys, context(number), wrapped, self.clock.now())
                self.secrets[context(number)] = key

    def rotate(self, from_version: str | None = None) -> Outcome:
        """Rotate as the command does."""
        begun = rotation.begin(self.database, self.keys, self.clock, from_version)
        return rotation.complete(self.database, self.keys, self.clock, begun)

    def under(self) -> Counter[str]:
        """How many wraps are under each version."""
        rows = self.rows("select key_version, count(*) from wrapped_keys group by key_version")
        return Counter(dict(rows))

    def unopened(self) -> list[ObjectContext]:
        """The wraps that do not open to the key that was put in."""
        failed = []
        with self.database.read() as session:
            for each, key in self.secrets.items():
                with self.keys.unwrap(wraps.get(session, each), each) as opened:
                    failed += [] if opened == key else [each]
        return failed

    def rotations(self) -> list[KeyRotation]:
        """Every rotation there ever was."""
        with self.database.read() as session:
            return list(session.exec(select(KeyRotation)).all())

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Read as one who has the database."""
        with self.database.read() as session:
            return [tuple(row) for row in session.connection().execute(text(statement), values)]

    def alter(self, number: int, **values: Any) -> str:
        """Change wrap `number` as one who has the database; gives its row's name."""
        each = context(number)
        changes = ", ".join(f"{name} = :{name}" for name in values)
        statement = f"update wrapped_keys set {changes} where object_id = :id"
        assert self.tamper(statement, id=each.object_id, **values) == 1
        return f"wrapped_keys {each.tenant} {each.object_id} {each.version} {each.kind}"

    def tamper(self, statement: str, **values: Any) -> int:
        """Write as one who has the database; gives how many rows changed."""
        with self.database.write() as session:
            return session.connection().execute(text(statement), values).rowcount


@contextmanager
def holding(folder: Path, count: int = 0, database_url: str | None = None) -> Iterator[Holding]:
    """Open a data folder as the service does; the same folder again takes up what is there."""
    new = not folder.exists()
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = Settings(data_dir=folder, database_url=database_url)
    database = open_database(settings.database_location)
    if new:
        upgrade(database)
    try:
        made = Holding(database, open_keys(settings.keys_location))
        made.fill(count)
        yield made
    finally:
        database.close()


@contextmanager
def copied(source: Holding, folder: Path) -> Iterator[Holding]:
    """Open a copy of a holding that nobody changes."""
    shutil.copytree(Path(source.keys.uri.removeprefix("file:")).parent, folder)
    with holding(folder) as made:
        made.secrets.update(source.secrets)
        yield made
