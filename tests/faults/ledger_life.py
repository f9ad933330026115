"""One print's life in the ledger, step by step in one thread, with every crossing of a port counted.

A crossing is the moment before or after a question to the chain or a commit of the database: the only places
where anything outside of the process changes. The steps are the runtime's own (`Relay.step`, `Sync.step`),
taken in turn, so that the same life crosses the same points every time.

Run as a program it lives one print and kills itself at the crossing it is told:
`python -m tests.faults.ledger_life FOLDER SEQUENCE CROSSING [RPC_URL CONTRACT]`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ledger import identity as identities
from ledger.abi import decode_query, encode_query
from ledger.chain import Chain, ChainError
from ledger.embedded import EmbeddedChain
from ledger.identity import ChainIdentity
from ledger.leases import Lease
from ledger.operations import Operation
from ledger.outbox import OperationStatus, append, status
from ledger.relay import Relay, RelayLimits
from ledger.sync import Sync
from ledger.typed_data import Domain
from ledger.web3_chain import Web3Chain
from ledger.writing import writing
from tests.ledger.actors import Cast
from tests.ledger.stage import ANVIL, PATIENCE_S, RELAY, FaultyChain, open_engine

PRINTS = 1000
TRAIL = "trail"
CONFIRMATIONS = 2
LEASE_S = 60.0
"""More than a dead holder's lease lasts; each life's clock runs that much ahead of the one before."""
LIMITS = RelayLimits(resend_after_s=0.0, linger_s=0.0)


@dataclass
class Crossings:
    """Counts crossings while armed, and strikes at the one that is due."""

    due: int | None = None
    strike: Callable[[], None] = lambda: None
    armed: bool = False
    passed: list[str] = field(default_factory=list)

    def cross(self, name: str) -> None:
        if not self.armed:
            return
        self.passed.append(name)
        if len(self.passed) - 1 == self.due:
            self.strike()


class Life:
    """Relay and indexer of one database, driven by hand."""

    def __init__(
        self,
        engine: Engine,
        chain: Chain,
        identity: ChainIdentity,
        crossings: Crossings,
        *,
        clock: Callable[[], float],
        mine: Callable[[], None],
    ) -> None:
        _watch_commits(engine, crossings)
        self.engine = engine
        self.crossings = crossings
        self.cast = Cast(Domain(identity.chain_id, identity.contract))
        self._contract = identity.contract
        self._chain = chain
        self._mine = mine
        watched = FaultyChain(
            chain,
            lambda name: crossings.cross(f"before {name}"),
            lambda name: crossings.cross(f"after {name}"),
        )
        depth = 1 if identity.embedded else CONFIRMATIONS

        def lease(name: str) -> Lease:
            return Lease(engine, name, f"life {os.getpid()} {id(self)}", clock, alone=identity.embedded)

        common: dict[str, Any] = {"confirmations": depth, "publish": lambda _: None}
        self._relay = Relay(
            engine,
            watched,
            identity,
            RELAY,
            lease("relay"),
            clock=clock,
            sent=lambda: None,
            limits=LIMITS,
            pause=lambda _: None,
            **common,
        )
        rewound = self._relay.rebroadcast
        self._sync = Sync(engine, watched, identity, lease("sync"), rewound=rewound, **common)

    def settle(self, operation: Operation) -> OperationStatus:
        """Append as a client does, and go on until the chain has spoken; what fails is tried again."""
        with writing(self.engine) as connection:
            operation_id = append(connection, operation)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for step in (self._relay.step, self._mine, self._sync.step):
                try:
                    step()
                except ChainError:
                    time.sleep(0.005)  # the chain is on its way back
            with self.engine.connect() as connection:
                found = status(connection, operation_id)
            if found.final:
                return found
        raise AssertionError(f"{operation_id} did not settle: {found}")

    def open_licence(self) -> None:
        licence = self.cast.licence(prints=PRINTS)
        for operation in (self.cast.publish(), self.cast.enrol(), self.cast.grant(licence)):
            assert self.settle(operation).state == "confirmed"

    def print(self, sequence: int) -> OperationStatus:
        return self.settle(self.cast.record(self.cast.licence(prints=PRINTS), sequence))

    def used(self) -> int:
        """Ask the contract how many prints it has counted."""
        question = encode_query("licenceState", self.cast.licence(prints=PRINTS).struct_hash())
        (state,) = decode_query("licenceState", self._chain.call(self._contract, question))
        return int(state[6])

    def indexed(self) -> int:
        """Ask the index the same."""
        with self.engine.connect() as connection:
            query = "SELECT count(*) FROM ledger_events WHERE name = 'PrintRecorded'"
            return int(connection.exec_driver_sql(query).scalar_one())


def _watch_commits(engine: Engine, crossings: Crossings) -> None:
    commit = engine.dialect.do_commit

    def watched(connection: Any) -> None:
        crossings.cross("before commit")
        commit(connection)
        crossings.cross("after commit")

    engine.dialect.do_commit = watched  # type: ignore[method-assign]


@contextmanager
def embedded_life(folder: Path, crossings: Crossings) -> Iterator[tuple[Life, EmbeddedChain]]:
    """Live on the embedded chain of a folder, restored from its rows."""
    engine = open_engine(folder / "ledger.sqlite")
    identities.found(engine, RELAY, time.time)
    chain = EmbeddedChain(folder / "chain", engine, RELAY, ANVIL, snapshots=None)
    try:
        chain.start()
        identity = identities.found(engine, RELAY, time.time)
        mine = lambda: None  # noqa: E731 - it mines what it is sent
        yield Life(engine, chain.chain, identity, crossings, clock=time.time, mine=mine), chain
    finally:
        chain.stop()
        engine.dispose()


@contextmanager
def remote_life(
    folder: Path, crossings: Crossings, rpc_url: str, contract: str, ahead_s: float
) -> Iterator[Life]:
    """Live on a network that mines a block at each turn."""
    engine = open_engine(folder / "ledger.sqlite")
    chain = Web3Chain.http(rpc_url)
    identity = identities.pin(engine, chain, contract, first_block=0)
    clock = lambda: time.time() + ahead_s  # noqa: E731
    try:
        yield Life(engine, chain, identity, crossings, clock=clock, mine=lambda: chain.tell("evm_mine"))
    finally:
        engine.dispose()


def _victim(folder: Path, sequence: int, due: int, *network: str) -> None:
    trail = (folder / TRAIL).open("w")

    def strike() -> None:
        trail.write("\n".join(crossings.passed))
        trail.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    crossings = Crossings(due, strike)
    if network:
        with remote_life(folder, crossings, network[0], network[1], (2 * sequence) * LEASE_S) as life:
            crossings.armed = True
            life.print(sequence)
    else:
        with embedded_life(folder, crossings) as (life, _):
            crossings.armed = True
            life.print(sequence)


if __name__ == "__main__":
    _victim(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
