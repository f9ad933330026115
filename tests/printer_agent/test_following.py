"""The agent with a driver that follows prints: death at every step, cancelling, a host that loses the job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from ledger.typed_data import Result
from mesh_tools.sandbox import Sandbox
from printer_agent.drivers.base import Delivery, Phase, Sighting
from printer_agent.errors import DriverError, JournalError, NotReady
from printer_agent.journal import Journal
from printer_agent.settings import Settings
from printer_agent.started import AWAITING
from tests.printer_agent.conftest import Hands
from tests.printer_agent.fake_service import FakeService
from tests.printer_agent.test_agent import Bench, Crash, Fuse

LOOKS = 3


@dataclass
class HostInMemory:
    """A host that outlives the agent: prints for some looks, keeps the file until it is wiped."""

    fuse: Fuse
    started: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    loses: bool = False
    meanwhile: Callable[[], None] | None = None
    name: str = "octoprint"
    follows: bool = True
    takes_meshes: bool = True

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        self.fuse.burn()
        self.started.append(delivery.release_id)
        for _ in content:
            self.fuse.burn()
        self.left[delivery.name] = LOOKS
        self.fuse.burn()
        return "started"

    def look(self, delivery: Delivery) -> Sighting:
        self.fuse.burn()
        if self.loses or delivery.name not in self.left:
            return Sighting(Phase.ABSENT)
        if delivery.name in self.cancelled:
            return Sighting(Phase.CANCELLED)
        if self.meanwhile is not None:
            self.meanwhile()
        self.left[delivery.name] -= 1
        done = self.left[delivery.name] <= 0
        return Sighting(Phase.COMPLETED) if done else Sighting(Phase.PRINTING, 50.0)

    def cancel(self, delivery: Delivery) -> None:
        self.fuse.burn()
        self.cancelled.add(delivery.name)

    def wipe(self, delivery: Delivery) -> None:
        self.fuse.burn()
        if self.left.get(delivery.name, 0) > 0 and delivery.name not in self.cancelled and not self.loses:
            raise DriverError("busy", "it prints")
        self.left.pop(delivery.name, None)
        self.fuse.burn()

    def check(self) -> str:
        if any(looks > 0 for looks in self.left.values()):
            raise DriverError("not_ready", "it prints")
        return "ready"

    def close(self) -> None:
        pass


@dataclass
class FollowingBench(Bench):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.host = HostInMemory(self.fuse)
        self.driver = self.host  # type: ignore[assignment]

    def settle(self) -> None:
        def rest(agent: object) -> None:
            agent.resume()  # type: ignore[attr-defined]
            agent.send_outcomes()  # type: ignore[attr-defined]

        self.process(rest)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def bench(printer: Settings, sandbox: Sandbox, hands: Hands, service: FakeService) -> FollowingBench:
    return FollowingBench(printer, service, sandbox, hands)


@pytest.fixture
def service() -> FakeService:
    return FakeService(prints=100)


class TestFollow:
    def test_reports_what_the_host_says_and_wipes(self, bench: FollowingBench) -> None:
        summary = bench.print(bench.service.authorise())
        assert (summary.state, summary.result, bench.host.left) == ("reported", "completed", {})

    def test_leaves_a_lost_print_to_the_operator(self, bench: FollowingBench) -> None:
        bench.host.loses = True
        summary = bench.print(bench.service.authorise())
        assert (summary.state, bench.service.outcomes, bench.host.left) == (AWAITING, {}, {})

    def test_passes_on_the_wish_to_cancel(self, bench: FollowingBench) -> None:
        def ask() -> None:
            with Journal.open(bench.printer.home) as journal:
                journal.ask_cancel("job_1", 1)

        bench.host.meanwhile = ask
        summary = bench.print(bench.service.authorise())
        assert (summary.state, summary.result, bench.host.left) == ("reported", "cancelled", {})

    def test_takes_no_report_of_a_print_that_runs(self, bench: FollowingBench) -> None:
        def die() -> None:
            raise Crash

        bench.host.meanwhile = die
        with pytest.raises(Crash):
            bench.print(bench.service.authorise())
        with pytest.raises(JournalError) as caught:
            bench.process(lambda agent: agent.report("job_1", Result.COMPLETED, "looks well"))
        assert caught.value.kind == "still_printing"

    def test_consumes_nothing_while_another_prints(self, bench: FollowingBench) -> None:
        bench.host.left["other"] = 1
        with pytest.raises(NotReady):
            bench.print(bench.service.authorise())
        assert bench.service.calls("/v1/prints/claim") == []


class TestCrash:
    def test_never_starts_twice_and_always_ends_and_wipes(self, bench: FollowingBench) -> None:
        steps, crashed = 0, True
        while crashed:
            token = bench.service.authorise()
            number = len(bench.service.tokens)
            crashed = False
            try:
                bench.print(token, crash_at=steps)
            except Crash:
                crashed = True
            with suppress(JournalError):
                bench.print(token)
            bench.settle()
            assert bench.host.started.count(f"rel_{number}") <= 1
            assert f"job_{number}" in bench.service.outcomes, f"no outcome after a crash at step {steps}"
            assert bench.host.left == {}, f"not wiped after a crash at step {steps}"
            steps += 1
        assert steps > 25
