"""A ledger on a network, driven by hand: relay, indexer and blocks take turns in one thread, the clock moves
when told, and a restart is new objects on the same database.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from ledger import identity as identities
from ledger import tables
from ledger.abi import decode_query, encode_query
from ledger.chain import Chain, ChainError
from ledger.leases import LEASE_TTL_S, Lease
from ledger.operations import Operation
from ledger.outbox import FINAL, OperationStatus, append, status
from ledger.relay import Relay, RelayLimits
from ledger.sync import Sync, unsettled
from ledger.typed_data import Domain
from ledger.writing import writing
from tests.ledger.actors import Cast
from tests.ledger.stage import RELAY, Network, open_engine

LIMITS = RelayLimits(resend_after_s=1.0, raise_after_s=20.0, linger_s=0.0)
TURNS_MAX = 400


class Stepped:
    """`chain` is what relay and indexer ask: the network's own node, or what stands in front of it."""

    def __init__(
        self,
        network: Network,
        folder: Path,
        *,
        confirmations: int,
        chain: Chain | None = None,
    ) -> None:
        self.network = network
        self.chain = chain or network.chain
        self.confirmations = confirmations
        self.now = 1_000_000.0
        self.engine: Engine = open_engine(folder / "ledger.sqlite")
        self.identity = identities.pin(self.engine, self.chain, network.contract, first_block=0)
        self.cast = Cast(Domain(self.identity.chain_id, network.contract))
        self.restart()

    def restart(self) -> None:
        """Forget relay and indexer as a crash does, and go on with new ones when the leases ran out."""
        self.now += LEASE_TTL_S + 1
        holder = f"holder {self.now}"
        common: dict[str, Any] = {"confirmations": self.confirmations, "publish": lambda _: None}

        def lease(name: str) -> Lease:
            return Lease(self.engine, name, holder, lambda: self.now)

        self.relay = Relay(
            self.engine,
            self.chain,
            self.identity,
            RELAY,
            lease("relay"),
            clock=lambda: self.now,
            sent=lambda: None,
            limits=LIMITS,
            pause=lambda _: None,
            **common,
        )
        rewound = self.relay.rebroadcast
        self.sync = Sync(self.engine, self.chain, self.identity, lease("sync"), rewound=rewound, **common)

    def append(self, *operations: Operation) -> list[str]:
        with writing(self.engine) as connection:
            return [append(connection, operation) for operation in operations]

    def carry(self) -> None:
        """Have the relay do what it can now."""
        self.now += 1
        _until_idle(self.relay.step)

    def index(self) -> None:
        """Have the indexer read all there is."""
        _until_idle(self.sync.step)

    def turn(self) -> None:
        """One turn of everybody: send, mine a block, index it. Endpoints that fail or lie are asked again in
        the next.
        """
        for step in (self.carry, self.network.mine, self.index):
            try:
                step()
            except ChainError:
                continue

    def settle(self) -> None:
        """Take turns until every operation is final and nothing final is taken back."""
        for _ in range(TURNS_MAX):
            if not self.open() and not self.lost():
                return
            self.turn()
        raise AssertionError(f"never settled: {self.open()}, taken back: {self.lost()}")

    def confirm(self, *operations: Operation) -> list[OperationStatus]:
        ids = self.append(*operations)
        self.settle()
        return [self.status(operation_id) for operation_id in ids]

    def open(self) -> list[str]:
        """Give the operations that are not final, by the index as it stands."""
        column = tables.operations.c
        with self.engine.connect() as connection:
            chosen = select(column.operation_id).where(column.state.not_in(FINAL))
            return list(connection.execute(chosen).scalars())

    def lost(self) -> list[str]:
        """Give what was final and was taken back: issuing stops while there is any."""
        with self.engine.connect() as connection:
            return unsettled(connection)

    def status(self, operation_id: str) -> OperationStatus:
        with self.engine.connect() as connection:
            return status(connection, operation_id)

    def licence(self, subject: bytes) -> Any:
        """Ask the node itself for a licence's state."""
        answer = self.network.chain.call(self.network.contract, encode_query("licenceState", subject))
        return decode_query("licenceState", answer)[0]

    def events(self, name: str) -> list[tuple[bytes, bytes]]:
        """Give transaction and licence of the indexed events of a name."""
        with self.engine.connect() as connection:
            column = tables.events.c
            chosen = select(column.tx_hash, column.licence).where(column.name == name)
            return [(row.tx_hash, row.licence) for row in connection.execute(chosen)]

    def close(self) -> None:
        self.engine.dispose()


def _until_idle(step: Callable[[], bool]) -> None:
    for _ in range(TURNS_MAX):
        if not step():
            return
    raise AssertionError("it never comes to rest")
