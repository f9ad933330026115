"""The real database and object store with one write that fails: not stored, or stored but reported failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app.database import Database
from storage.backends import ObjectStore
from storage.backends.base import ObjectStat, PutResult
from storage.errors import StoreUnavailable
from storage.stream import Piece
from storage.vault import Vault
from tests.app.service import Service

Result = TypeVar("Result")
NOT_STORED, REPORTED_FAILED = "not stored", "stored but reported failed"
HOW = (NOT_STORED, REPORTED_FAILED)


@dataclass
class Faults:
    """Every write counts; those whose turn is in `due` fail in the way that is named there."""

    due: dict[int, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)

    def arm(self, due: dict[int, str]) -> None:
        self.due, self.writes = due, []

    def begin(self, what: str) -> str | None:
        """Count a write; tells how it is to fail."""
        self.writes.append(what)
        return self.due.get(len(self.writes) - 1)


class FaultyDatabase(Database):
    def __init__(self, real: Database, faults: Faults) -> None:
        super().__init__(real.engine)
        self._faults = faults

    @contextmanager
    def write(self) -> Iterator[Session]:
        how = self._faults.begin("database")
        with super().write() as session:
            yield session
            if how == NOT_STORED:
                raise _lost()
        if how == REPORTED_FAILED:
            raise _lost()


def _lost() -> OperationalError:
    return OperationalError("COMMIT", None, Exception("the connection was lost on purpose"))


class FaultyStore:
    def __init__(self, real: ObjectStore, faults: Faults) -> None:
        self._real, self._faults = real, faults

    def put(self, key: str, source: Iterable[Piece]) -> PutResult:
        return self._failing("put", lambda: self._real.put(key, source))

    def delete(self, key: str) -> None:
        return self._failing("delete", lambda: self._real.delete(key))

    def _failing(self, what: str, do: Callable[[], Result]) -> Result:
        how = self._faults.begin(what)
        if how == NOT_STORED:
            raise StoreUnavailable(f"{what} failed on purpose")
        result = do()
        if how == REPORTED_FAILED:
            raise StoreUnavailable(f"{what} was reported failed on purpose")
        return result

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._real.read(key, start, length)

    def stat(self, key: str) -> ObjectStat:
        return self._real.stat(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        return self._real.list(prefix)

    def sweep(self) -> int:
        return self._real.sweep()


def make_faulty(service: Service) -> Faults:
    """Have a running service write through parts that fail; gives what makes them."""
    faults, real = Faults(), service.services
    store = FaultyStore(real.objects, faults)
    service.app.state.services = replace(
        real, database=FaultyDatabase(real.database, faults), objects=store, vault=Vault(store, real.keys)
    )
    return faults
