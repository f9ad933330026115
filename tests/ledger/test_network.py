"""A network that forgets, doubles, reorders and answers late: the relay and the indexer end in the same
state.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.chain import ChainError
from ledger.identity import IdentityMismatch
from ledger.outbox import OperationStatus
from ledger.relay import RelayLimits
from ledger.runtime import LedgerRuntime, remote
from ledger.typed_data import Domain
from tests.ledger.actors import Cast
from tests.ledger.stage import PATIENCE_S, RELAY, FaultyChain, Network, Stage, open_engine

FAST = RelayLimits(resend_after_s=0.2, raise_after_s=1.0)
POLL_S = 0.02


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "node"
    folder.mkdir()
    node = Network(folder)
    yield node
    node.node.kill()


class Wrapped:
    """Faults between the runtime and the network, decided by the test."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = lambda _: None
        self.after: Callable[[str], None] = lambda _: None


@pytest.fixture
def faults() -> Wrapped:
    return Wrapped()


@pytest.fixture
def stage(network: Network, tmp_path: Path, faults: Wrapped) -> Iterator[Stage]:
    engine = open_engine(tmp_path / "ledger.sqlite")
    runtime = remote(
        engine, [network.node.rpc_url], network.contract, RELAY, 2, time.time, limits=FAST, poll_s=POLL_S
    )
    _wrap(runtime, faults)
    runtime.start()
    with _mining(network):
        stage = Stage(engine, runtime, Cast(runtime.domain))
        stage.open_licence()
    yield stage
    runtime.stop()
    engine.dispose()


def _wrap(runtime: LedgerRuntime, faults: Wrapped) -> None:
    connect = runtime._connect

    def wrapped():  # type: ignore[no-untyped-def]
        chain, identity = connect()
        return FaultyChain(chain, lambda name: faults.before(name), lambda name: faults.after(name)), identity

    runtime._connect = wrapped


class _mining:  # noqa: N801 - reads as a statement
    """Mine a block now and then while the block runs."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._mine, daemon=True)

    def _mine(self) -> None:
        while not self._stop.wait(0.03):
            self._network.mine()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def state_of(stage: Stage, operation_id: str) -> OperationStatus:
    return stage.runtime.wait(operation_id, 0.0)


def until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


class TestConfirmations:
    def test_is_final_only_under_enough_blocks(self, stage: Stage, network: Network) -> None:
        (operation_id,) = stage.append(stage.cast.record(stage.cast.licence(), 1))
        stage.runtime.wake()
        assert until(lambda: bool(network.pooled()))
        network.mine()
        assert until(lambda: state_of(stage, operation_id).state == "mined")
        network.mine()
        assert stage.runtime.wait(operation_id, PATIENCE_S).state == "confirmed"


class TestFaults:
    def test_a_dropped_transaction_is_sent_again(self, stage: Stage, network: Network) -> None:
        (operation_id,) = stage.append(stage.cast.record(stage.cast.licence(), 1))
        stage.runtime.wake()
        assert until(lambda: bool(network.pooled()))
        for dropped in network.pooled():
            network.chain.tell("anvil_dropTransaction", dropped)
        with _mining(network):
            assert stage.runtime.wait(operation_id, PATIENCE_S).state == "confirmed"
        assert stage.used(stage.cast.licence()) == 1

    def test_a_stuck_transaction_offers_more_and_keeps_every_hash(
        self, stage: Stage, network: Network
    ) -> None:
        (operation_id,) = stage.append(stage.cast.record(stage.cast.licence(), 1))
        stage.runtime.wake()
        assert until(lambda: _attempts(stage) >= 2)
        with _mining(network):
            found = stage.runtime.wait(operation_id, PATIENCE_S)
        assert found.state == "confirmed"
        assert stage.used(stage.cast.licence()) == 1

    @pytest.mark.parametrize("stored", [False, True])
    def test_a_sending_that_fails_twice_counts_once(
        self, stage: Stage, network: Network, faults: Wrapped, stored: bool
    ) -> None:
        """Every write fails twice, once not stored, once stored but reported failed."""
        left = [2]

        def fail(name: str) -> None:
            if name == "send" and left[0]:
                left[0] -= 1
                raise ChainError("the connection broke")

        setattr(faults, "after" if stored else "before", fail)
        with _mining(network):
            (found,) = stage.settle(stage.cast.record(stage.cast.licence(), 1))
        assert found.state == "confirmed"
        assert left[0] < 2
        assert stage.used(stage.cast.licence()) == 1

    def test_a_stranger_may_relay_it_first(self, stage: Stage, network: Network, faults: Wrapped) -> None:
        """The same signed bytes sent by somebody else: known already, nonce too low, counted once."""
        with _mining(network):
            operation = stage.cast.record(stage.cast.licence(), 1)
            ids = [stage.append(operation)[0] for _ in range(2)]
            found = [stage.runtime.wait(operation_id, PATIENCE_S) for operation_id in ids]
        assert {status.state for status in found} == {"confirmed"}


class TestReorg:
    @pytest.mark.parametrize("depth", [1, 3])
    def test_what_a_reorg_took_is_recorded_again(self, stage: Stage, network: Network, depth: int) -> None:
        licence = stage.cast.licence()
        (operation_id,) = stage.append(stage.cast.record(licence, 1))
        stage.runtime.wake()
        assert until(lambda: bool(network.pooled()))
        network.mine(depth)
        assert until(lambda: state_of(stage, operation_id).state in ("mined", "confirmed"))
        before = state_of(stage, operation_id)
        network.chain.tell("anvil_reorg", depth, [])
        lost = until(lambda: state_of(stage, operation_id).block_hash != before.block_hash)
        assert lost
        if before.final:
            assert not stage.runtime.health().ok
        with _mining(network):
            assert until(lambda: state_of(stage, operation_id).state == "confirmed")
        assert stage.used(licence) == 1
        assert until(lambda: stage.runtime.health().ok)


class TestPin:
    def test_another_contract_is_refused(self, stage: Stage, network: Network) -> None:
        other = remote(stage.engine, [network.node.rpc_url], "0x" + "11" * 20, RELAY, 1)
        with pytest.raises(IdentityMismatch):
            other.start()

    def test_what_is_no_print_ledger_is_refused(self, network: Network, tmp_path: Path) -> None:
        engine = open_engine(tmp_path / "other.sqlite")
        other = remote(engine, [network.node.rpc_url], "0x" + "11" * 20, RELAY, 1)
        with pytest.raises(IdentityMismatch, match="not the print ledger"):
            other.start()
        engine.dispose()

    def test_knows_its_domain(self, stage: Stage, network: Network) -> None:
        assert stage.runtime.domain == Domain(31337, network.contract)


def _attempts(stage: Stage) -> int:
    with stage.engine.connect() as connection:
        query = "SELECT max(n) FROM (SELECT count(*) AS n FROM ledger_transactions GROUP BY nonce)"
        return int(connection.exec_driver_sql(query).scalar_one())
