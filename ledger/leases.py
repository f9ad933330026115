"""Leases: one leader at a time among the processes that share a database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, delete, or_, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from ledger.errors import LedgerError
from ledger.tables import leases
from ledger.writing import writing

LEASE_TTL_S: Final = 10.0
_TAKE: Final = (
    update(leases)
    .where(leases.c.name == bindparam("its"))
    .values(holder=bindparam("holder"), expires_at=bindparam("until"))
)
_TAKE_FREE: Final = _TAKE.where(
    or_(leases.c.holder == bindparam("me"), leases.c.expires_at <= bindparam("now"))
)


class LeaseLost(LedgerError):  # noqa: N818 - it names what happened
    """Another process leads now; what this one was about to write is not written."""

    kind = "lease_lost"


class Lease:
    """A name that one holder has for `ttl_s` after it last asked.

    `keep` is the first statement of every transaction a leader writes: it fences out a leader that was
    asleep. `alone` takes the lease from whoever has it: for a holder that knows by other means that no other
    lives.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        holder: str,
        clock: Callable[[], float],
        *,
        ttl_s: float = LEASE_TTL_S,
        alone: bool = False,
    ) -> None:
        self._engine = engine
        self._name = name
        self._holder = holder
        self._clock = clock
        self._ttl_s = ttl_s
        self._alone = alone
        self._renew_at = 0.0

    def lead(self) -> bool:
        """Return whether this holder leads, asking for the lease or renewing it where it is due."""
        if self._clock() < self._renew_at:
            return True
        with writing(self._engine) as connection:
            return self._take(connection)

    def keep(self, connection: Connection) -> None:
        """Renew the lease within a transaction, taking its write lock; LeaseLost if another holder has it."""
        if not self._take(connection):
            raise LeaseLost(f"another process holds the lease {self._name!r}")

    def release(self) -> None:
        """Let the next one lead at once."""
        self._renew_at = 0.0
        mine = (leases.c.name == self._name) & (leases.c.holder == self._holder)
        with writing(self._engine) as connection:
            connection.execute(delete(leases).where(mine))

    def _take(self, connection: Connection) -> bool:
        now = self._clock()
        until = now + self._ttl_s
        asked = {"its": self._name, "holder": self._holder, "until": until}
        asked |= {} if self._alone else {"me": self._holder, "now": now}
        taken = connection.execute(_TAKE if self._alone else _TAKE_FREE, asked).rowcount == 1
        if not taken:
            insert = insert_postgresql if connection.dialect.name == "postgresql" else insert_sqlite
            row = insert(leases).values(name=self._name, holder=self._holder, expires_at=until)
            taken = connection.execute(row.on_conflict_do_nothing(index_elements=["name"])).rowcount == 1
        self._renew_at = now + self._ttl_s / 3 if taken else 0.0
        return taken
