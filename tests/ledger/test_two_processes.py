"""Two runtimes on one database and one network: who loses the lead goes on from what the other one wrote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ledger.leases import LEASE_TTL_S
from ledger.runtime import LedgerRuntime, remote
from tests.ledger.actors import Cast
from tests.ledger.stage import RELAY, Network, Stage, open_engine
from tests.ledger.test_network import until

POLL_S = 0.02


@dataclass
class Hands:
    """A clock that goes as all do, moved by hand besides."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "node"
    folder.mkdir()
    node = Network(folder)
    node.chain.tell("evm_setAutomine", True)
    yield node
    node.node.kill()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(tmp_path / "ledger.sqlite")
    yield made
    made.dispose()


Opener = Callable[[Hands], LedgerRuntime]


@pytest.fixture
def start(engine: Engine, network: Network) -> Iterator[Opener]:
    """Start a process's runtime with a clock of its own."""
    running: list[LedgerRuntime] = []

    def started(clock: Hands) -> LedgerRuntime:
        runtime = remote(engine, [network.node.rpc_url], network.contract, RELAY, 1, clock, poll_s=POLL_S)
        runtime.start()
        running.append(runtime)
        return runtime

    yield started
    for runtime in running:
        runtime.stop()


class TestLead:
    def test_who_lost_it_sees_what_the_other_indexed(self, engine: Engine, start: Opener) -> None:
        slept, next_one = Hands(), Hands(LEASE_TTL_S + 1)
        first = start(slept)
        stage = Stage(engine, first, Cast(first.domain))
        licence = stage.open_licence()
        second = start(next_one)
        slept.ahead_s = LEASE_TTL_S / 2  # past the moment at which it asks for the lease again
        (status,) = Stage(engine, second, stage.cast).settle(stage.cast.record(licence, 1))
        assert status.state == "confirmed"
        assert first.wait(status.operation_id, 10).state == "confirmed"
        assert until(lambda: first.health().indexed == second.health().indexed)
        assert stage.used(licence) == 1
