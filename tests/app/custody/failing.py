"""Faults at the two seams a rotation writes through: the database's commit and the key back end's changes.

The parts underneath are the real ones. Writes are numbered in the order in which they take effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlmodel import Session

from app.database import Database
from storage.keys import KeyBackend
from tests.app.custody.holding import Holding


class WriteError(Exception):
    """The write was reported as failed."""


@dataclass
class Fault:
    """Write number `at` is reported as failed; `done` tells whether it took effect all the same."""

    at: int
    done: bool
    writes: int = field(default=0, init=False)

    def before(self) -> None:
        """Stand before a write; raises where it is not to be done."""
        self.writes += 1
        if self.writes - 1 == self.at and not self.done:
            raise WriteError

    def after(self) -> None:
        """Stand after the write; raises where it is to be reported as failed."""
        if self.writes - 1 == self.at:
            raise WriteError


class FailingDatabase(Database):
    """Commits as the fault allows."""

    def __init__(self, database: Database, fault: Fault) -> None:
        super().__init__(database.engine)
        self._fault = fault

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as session:
            yield session
            self._fault.before()
        self._fault.after()


class FailingKeys:
    """Makes and destroys versions as the fault allows."""

    def __init__(self, keys: KeyBackend, fault: Fault) -> None:
        self._keys = keys
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keys, name)

    def rotate(self) -> str:
        self._fault.before()
        version = self._keys.rotate()
        self._fault.after()
        return version

    def destroy(self, version: str) -> None:
        self._fault.before()
        self._keys.destroy(version)
        self._fault.after()


def failing(held: Holding, fault: Fault) -> Holding:
    """The same holding behind the fault."""
    keys = cast("KeyBackend", FailingKeys(held.keys, fault))
    return Holding(FailingDatabase(held.database, fault), keys, held.clock, held.secrets)
