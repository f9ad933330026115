"""The whole client on the embedded chain: what is appended is recorded once or refused with the contract's
reason.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import func, select

from ledger import tables
from ledger.chain import Chain, ChainError
from ledger.identity import ChainIdentity
from ledger.operations import Operation
from ledger.outbox import UnknownOperation
from ledger.relay import RelayLimits
from ledger.runtime import LedgerStopped, embedded
from ledger.typed_data import Licence, Result
from tests.ledger.actors import Cast
from tests.ledger.stage import ANVIL, RELAY, FaultyChain, Stage, embedded_stage, open_engine


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with embedded_stage(tmp_path_factory.mktemp("ledger")) as running:
        running.settle(running.cast.publish(), running.cast.enrol())
        yield running


Make: TypeAlias = Callable[[Cast, Licence], Operation]
_salts = iter(range(10_000))


def _licence(stage: Stage, **terms: int) -> Licence:
    licence = stage.cast.licence(number=next(_salts), **terms)
    assert stage.settle(stage.cast.grant(licence))[0].state == "confirmed"
    return licence


class TestWait:
    def test_confirms_with_a_receipt(self, stage: Stage) -> None:
        licence = _licence(stage)
        (found,) = stage.settle(stage.cast.record(licence, 1))
        assert found.state == "confirmed"
        receipt = found.receipt()
        assert receipt is not None
        assert abs(receipt["block_time"] - time.time()) < 5
        assert stage.used(licence) == 1

    @pytest.mark.parametrize(
        ("reason", "make"),
        [
            ("CountExhausted", lambda cast, licence: cast.record(licence, 3)),
            ("ClaimExpired", lambda cast, licence: cast.record(licence, 1, deadline=1_000_000)),
            ("NotPrinted", lambda cast, licence: cast.report(licence, 2)),
        ],
    )
    def test_rejects_with_the_contracts_reason(self, stage: Stage, reason: str, make: Make) -> None:
        licence = _licence(stage)
        (found,) = stage.settle(make(stage.cast, licence))
        assert found.state == "rejected"
        assert found.reason is not None
        assert found.reason["name"] == reason
        assert found.tx_hash is None

    def test_refuses_what_was_never_appended(self, stage: Stage) -> None:
        with pytest.raises(UnknownOperation):
            stage.runtime.wait("publish:0x00", 0.0)

    def test_refuses_before_start(self, tmp_path: Path) -> None:
        runtime = embedded(open_engine(tmp_path / "x.sqlite"), tmp_path, RELAY, ANVIL)
        with pytest.raises(LedgerStopped):
            runtime.health()


class TestAppend:
    def test_carries_what_depends_on_each_other_in_order(self, tmp_path: Path) -> None:
        with embedded_stage(tmp_path) as stage:
            licence = stage.cast.licence(prints=2)
            found = stage.settle(
                stage.cast.publish(),
                stage.cast.enrol(),
                stage.cast.grant(licence),
                stage.cast.record(licence, 1),
                stage.cast.report(licence, 1, Result.FAILED),
                stage.cast.revoke(licence),
                stage.cast.retire(),
            )
            assert {status.state for status in found} == {"confirmed"}

    def test_twice_is_once(self, stage: Stage) -> None:
        licence = _licence(stage)
        operation = stage.cast.record(licence, 1)
        assert [s.state for s in stage.settle(operation, operation)] == ["confirmed"] * 2
        assert stage.settle(operation)[0].state == "confirmed"
        assert stage.used(licence) == 1

    def test_two_claims_of_one_number_count_once(self, stage: Stage) -> None:
        licence = _licence(stage)
        found = stage.settle(stage.cast.record(licence, 1), stage.cast.record(licence, 1, token="other"))
        assert sorted(status.state for status in found) == ["confirmed", "rejected"]
        refused = next(status for status in found if status.state == "rejected")
        assert refused.reason is not None
        assert refused.reason["name"] == "SequenceUsed"
        assert stage.used(licence) == 1

    def test_one_print_claimed_anew_is_the_same_print(self, stage: Stage) -> None:
        licence = _licence(stage)
        first, again = stage.cast.record(licence, 1), stage.cast.record(licence, 1, deadline=(1 << 40) - 1)
        one, other = (stage.settle(operation)[0] for operation in (first, again))
        assert one.receipt() == other.receipt()
        assert stage.used(licence) == 1

    def test_a_crowd_shares_a_transaction(self, stage: Stage) -> None:
        licence = _licence(stage, prints=100)
        before = _transactions(stage)
        found = stage.settle(*(stage.cast.record(licence, number) for number in range(1, 101)))
        assert {status.state for status in found} == {"confirmed"}
        assert _transactions(stage) - before <= 2

    def test_times_never_run_ahead(self, stage: Stage) -> None:
        licence = _licence(stage, prints=30)
        for number in range(1, 31):
            (found,) = stage.settle(stage.cast.record(licence, number))
            assert found.block_time is not None
            assert found.block_time <= time.time()


class TestSending:
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_makes_up_for_a_failure_before_anything_follows(self, tmp_path: Path, moment: str) -> None:
        """Batches are ready behind the one that fails; each still makes the block of its own number."""
        due = {6, 7, 9, 14}
        with unreliable_stage(tmp_path, moment, due) as stage:
            licence = stage.open_licence(prints=12)
            found = stage.settle(*(stage.cast.record(licence, number) for number in range(1, 13)))
            assert {status.state for status in found} == {"confirmed"}
            assert not due
            assert stage.runtime.health().indexed == _transactions(stage)
            assert stage.used(licence) == 12
        with embedded_stage(tmp_path) as again:
            assert again.used(licence) == 12


class TestState:
    def test_reads_licence_printer_and_revision(self, stage: Stage) -> None:
        licence = _licence(stage, prints=3, reprints=1)
        stage.settle(stage.cast.record(licence, 1))
        stage.settle(stage.cast.report(licence, 1, Result.FAILED))
        state = stage.runtime.licence_state(licence.struct_hash())
        assert state is not None
        assert (state.prints, state.used, state.credited, state.base, state.revoked) == (3, 1, 1, 1, False)
        assert state.provider == stage.cast.provider.address
        printer = stage.runtime.printer_state(stage.cast.printer)
        assert printer is not None
        assert printer.provider == stage.cast.provider.address
        assert stage.runtime.revision_owner(licence.revision) == stage.cast.owner.address

    def test_knows_nothing_of_strangers(self, stage: Stage) -> None:
        assert stage.runtime.licence_state(bytes(32)) is None
        assert stage.runtime.printer_state(bytes(32)) is None
        assert stage.runtime.revision_owner(bytes(32)) is None

    def test_simulates_at_the_present_time(self, stage: Stage) -> None:
        licence = _licence(stage)
        assert stage.runtime.simulate(stage.cast.record(licence, 1)) is None
        late = stage.runtime.simulate(stage.cast.record(licence, 1, deadline=int(time.time()) - 60))
        assert late is not None
        assert late.name == "ClaimExpired"

    def test_is_healthy(self, stage: Stage) -> None:
        health = stage.runtime.health()
        assert health.ok, health.reason
        assert health.lag_blocks == 0
        assert health.embedded


@contextmanager
def unreliable_stage(folder: Path, moment: str, due: set[int]) -> Iterator[Stage]:
    """Run an embedded ledger, an operation a batch, whose sendings fail when they are due, before or after
    the node has the transaction.
    """
    sendings = itertools.count(1)

    def fail(name: str) -> None:
        if name == "send" and (number := next(sendings)) in due:
            due.remove(number)
            raise ChainError("the node did not answer in time")

    limits = RelayLimits(group_operations_max=1, linger_s=0.0)
    engine = open_engine(folder / "ledger.sqlite")
    runtime = embedded(engine, folder / "chain", RELAY, ANVIL, limits=limits)
    connect = runtime._connect

    def wrapped() -> tuple[Chain, ChainIdentity]:
        chain, identity = connect()
        return FaultyChain(chain, **{moment: fail}), identity

    runtime._connect = wrapped
    try:
        runtime.start()
        yield Stage(engine, runtime, Cast(runtime.domain))
    finally:
        runtime.stop()
        engine.dispose()


def _transactions(stage: Stage) -> int:
    with stage.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(tables.transactions)).scalar_one())
