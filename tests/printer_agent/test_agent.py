"""Tests of the agent: a whole print, refusals, crashes at every step, times offline."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ledger.commitment import canonical_json, report_commitment
from ledger.print_report import Measurement, PrintReport
from ledger.typed_data import Result
from mesh_tools.sandbox import Sandbox
from printer_agent.agent import Agent
from printer_agent.client import PrinterClient
from printer_agent.drivers.base import Delivery, Sighting
from printer_agent.drivers.folder import FolderDriver
from printer_agent.errors import (
    AgentError,
    GateRefused,
    JournalError,
    NotReady,
    ReleaseRefused,
    Unreachable,
)
from printer_agent.identity import Identity
from printer_agent.journal import Journal
from printer_agent.machine import load_machine, save_machine
from printer_agent.outcomes import Summary
from printer_agent.particulars import Particulars
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from printer_agent.started import AWAITING
from printer_agent.tools import Tools
from tests.e2e.parts import box
from tests.printer_agent.conftest import Hands
from tests.printer_agent.fake_service import URL, FakeService, problem, tetrahedron


class Crash(BaseException):
    """The process dies here: nothing of the agent's code catches it."""


@dataclass
class Fuse:
    """Burns at each step of the world around the agent; the step with its number is the last."""

    last: int | None = None
    burnt: int = 0

    def burn(self) -> None:
        self.burnt += 1
        if self.burnt - 1 == self.last:
            raise Crash


@dataclass
class FusedTransport(httpx2.BaseTransport):
    """Dies before a request is sent, or after it was answered and before the answer is seen."""

    inner: httpx2.BaseTransport
    fuse: Fuse

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.fuse.burn()
        response = self.inner.handle_request(request)
        self.fuse.burn()
        return response


@dataclass
class FusedDriver:
    """A folder driver that dies before, within and after a delivery; counts what was started."""

    inner: FolderDriver
    fuse: Fuse
    started: list[str] = field(default_factory=list)
    name: str = "folder"
    follows: bool = False
    takes_meshes: bool = True

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        self.fuse.burn()
        self.started.append(delivery.release_id)

        def dying() -> Iterator[bytes]:
            for piece in content:
                self.fuse.burn()
                yield piece

        said = self.inner.start(delivery, dying())
        self.fuse.burn()
        return said

    def look(self, delivery: Delivery) -> Sighting:
        return self.inner.look(delivery)

    def cancel(self, delivery: Delivery) -> None:
        self.inner.cancel(delivery)

    def wipe(self, delivery: Delivery) -> None:
        self.inner.wipe(delivery)

    def close(self) -> None:
        self.inner.close()

    def check(self) -> str:
        return self.inner.check()


@dataclass
class FusedWatcher:
    """Dies at a stage; keeps what it was told."""

    fuse: Fuse
    stages: list[str] = field(default_factory=list)
    bytes: int = 0

    def printing(self, percent: float | None, detail: str) -> None:
        self.fuse.burn()

    def stage(self, name: str, detail: str) -> None:
        self.stages.append(name)
        self.fuse.burn()

    def downloaded(self, done: int, total: int) -> None:
        assert done <= total
        self.bytes = done


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@dataclass
class Bench:
    """One enrolled printer; `run` is one process that prints one token."""

    printer: Settings
    service: FakeService
    sandbox: Sandbox
    hands: Hands

    def __post_init__(self) -> None:
        self.fuse = Fuse()
        self.driver = FusedDriver(
            FolderDriver(self.printer.watch, self.printer.home / "delivered"), self.fuse
        )
        self.watcher = FusedWatcher(self.fuse)

    def process(self, act: Callable[[Agent], Any], crash_at: int | None = None) -> Any:
        self.fuse.last, self.fuse.burnt = crash_at, 0
        identity = Identity.load(self.printer.home)
        transport = FusedTransport(self.service.transport, self.fuse)
        clock = self.hands.clock
        client = PrinterClient(URL, identity.signing, "prt_1", self.printer, clock=clock, transport=transport)
        with client, Journal.open(self.printer.home) as journal:
            machine = load_machine(self.printer.home)
            limit = self.printer.file_bytes_max
            tools = Tools(identity, machine, journal, client, self.driver, self.sandbox, clock, limit)
            agent = Agent(tools, self.watcher)
            agent.recover()
            return act(agent)

    def print(
        self, token: str, result: Result | None = Result.COMPLETED, crash_at: int | None = None
    ) -> Summary:
        summary = self.process(lambda agent: agent.print(PrintToken(token), result), crash_at)
        assert isinstance(summary, Summary)
        return summary

    def settle(self) -> None:
        """A process that only recovers and sends what waits."""
        self.process(lambda agent: agent.send_outcomes())

    @property
    def delivered(self) -> list[Path]:
        return sorted(self.printer.watch.iterdir()) if self.printer.watch.exists() else []


@pytest.fixture
def bench(printer: Settings, service: FakeService, sandbox: Sandbox, hands: Hands) -> Bench:
    return Bench(printer, service, sandbox, hands)


class TestPrint:
    def test_takes_a_token_all_the_way(self, bench: Bench) -> None:
        summary = bench.print(bench.service.authorise())
        assert (summary.print_id, summary.release_id, summary.sequence) == ("job_1", "rel_1", 1)
        assert (summary.state, summary.result) == ("reported", "completed")
        assert summary.receipt == {"transaction": "0x" + "ab" * 32, "block_number": 7}
        assert [path.read_bytes() for path in bench.delivered] == [bench.service.plaintext]
        assert bench.watcher.stages == [
            *("claimed", "released", "verified", "decrypted", "gated", "started", "reported"),
        ]
        assert bench.watcher.bytes == len(bench.service.ciphertext)

    def test_reports_what_it_committed_to(self, bench: Bench) -> None:
        bench.print(bench.service.authorise())
        body = bench.service.outcomes["job_1"]
        salt = bytes.fromhex(body["report_salt"][2:])
        commitment = report_commitment(salt, canonical_json(body["report"]))
        assert body["outcome"] == {**body["outcome"], "result": 1, "report": "0x" + commitment.hex()}

    def test_prints_one_after_the_other(self, bench: Bench) -> None:
        for number in (1, 2, 3):
            assert bench.print(bench.service.authorise()).sequence == number
        assert len(bench.delivered) == 3

    def test_passes_on_why_the_ledger_refused(self, bench: Bench) -> None:
        for _ in range(3):
            bench.print(bench.service.authorise())
        with pytest.raises(AgentError, match="all 3 prints are used"):
            bench.print(bench.service.authorise())
        assert len(bench.delivered) == 3

    def test_never_starts_a_release_again(self, bench: Bench) -> None:
        token = bench.service.authorise()
        bench.print(token)
        for path in bench.delivered:
            path.unlink()
        with pytest.raises(JournalError) as caught:
            bench.print(token)
        assert caught.value.kind == "already_started"
        assert bench.delivered == []

    @pytest.mark.parametrize("result", [Result.FAILED, Result.CANCELLED])
    def test_reports_the_result_asked_for(self, bench: Bench, result: Result) -> None:
        summary = bench.print(bench.service.authorise(), result)
        assert summary.result == result.name.lower()
        assert bench.service.outcomes["job_1"]["outcome"]["result"] == result

    def test_refuses_a_claim_that_does_not_hold(self, bench: Bench) -> None:
        bench.service.lies["claim"] = lambda value: value.update(salt="0x" + "00" * 32)
        with pytest.raises(ReleaseRefused, match="does not open its commitment"):
            bench.print(bench.service.authorise())
        assert bench.service.calls("/v1/prints/redeem") == []
        assert (bench.delivered, bench.service.outcomes) == ([], {})

    def test_reports_a_release_that_does_not_hold(self, bench: Bench) -> None:
        bench.service.lies["release"] = lambda value: value.update(info=value["info"] + " ")
        with pytest.raises(ReleaseRefused):
            bench.print(bench.service.authorise())
        assert bench.delivered == []
        assert bench.service.outcomes["job_1"]["report"]["detail"].startswith("wrong_info: ")
        assert bench.service.outcomes["job_1"]["outcome"]["result"] == Result.FAILED

    def test_reports_a_damaged_object(self, bench: Bench) -> None:
        damaged = bytearray(bench.service.ciphertext)
        damaged[100] ^= 1
        bench.service.ciphertext = bytes(damaged)
        with pytest.raises(ReleaseRefused, match="damaged on its way"):
            bench.print(bench.service.authorise())
        assert bench.delivered == []
        assert bench.service.outcomes["job_1"]["outcome"]["result"] == Result.FAILED

    def test_reports_a_part_the_gate_refuses(
        self, settings: Settings, sandbox: Sandbox, hands: Hands, enrol_at: Callable[[FakeService], Settings]
    ) -> None:
        mesh = tetrahedron().split(b"endfacet")
        service = FakeService(plaintext=b"endfacet".join([mesh[0], mesh[1], mesh[2], b"\nendsolid part\n"]))
        bench = Bench(enrol_at(service), service, sandbox, hands)
        with pytest.raises(GateRefused, match=r"mesh\.open_edges"):
            bench.print(service.authorise())
        assert bench.delivered == []
        assert service.outcomes["job_1"]["report"]["detail"].startswith("gate: ")

    def test_reports_a_part_for_another_process(
        self, sandbox: Sandbox, hands: Hands, enrol_at: Callable[[FakeService], Settings]
    ) -> None:
        service = FakeService(recipe={"process": "VPP"})
        bench = Bench(enrol_at(service), service, sandbox, hands)
        with pytest.raises(GateRefused, match="the part needs VPP"):
            bench.print(service.authorise())
        assert service.outcomes["job_1"]["outcome"]["result"] == Result.FAILED

    def test_consumes_nothing_while_the_folder_fails(self, bench: Bench) -> None:
        bench.printer.watch.write_bytes(b"a file, not a folder")
        token = bench.service.authorise()
        with pytest.raises(NotReady):
            bench.print(token)
        assert bench.service.calls("/v1/prints/claim") == []
        bench.printer.watch.unlink()
        assert bench.print(token).state == "reported"


class TestOrientation:
    @pytest.fixture
    def oriented(
        self, sandbox: Sandbox, hands: Hands, enrol_at: Callable[[FakeService], Settings]
    ) -> Callable[..., Bench]:
        def make(orientation: Any, plaintext: bytes | None = None, **recipe: Any) -> Bench:
            recipe |= {"process": "MEX", "material": "PLA", "orientation": orientation}
            service = FakeService(plaintext=tetrahedron() if plaintext is None else plaintext, recipe=recipe)
            return Bench(enrol_at(service), service, sandbox, hands)

        return make

    def test_is_how_the_part_is_delivered(self, oriented: Callable[..., Bench]) -> None:
        bench = oriented([0, 0, -1])
        bench.print(bench.service.authorise())
        (delivered,) = bench.delivered
        facets = struct.iter_unpack("<12fH", delivered.read_bytes()[84:])
        assert sorted(sorted(facet[5:12:3]) for facet in facets) == [*[[0, 20, 20]] * 3, [20, 20, 20]]

    def test_of_an_upright_part_changes_no_byte(self, oriented: Callable[..., Bench]) -> None:
        bench = oriented([0, 0, 1])
        bench.print(bench.service.authorise())
        assert [path.read_bytes() for path in bench.delivered] == [bench.service.plaintext]

    def test_that_cannot_be_read_consumes_nothing(self, oriented: Callable[..., Bench]) -> None:
        bench = oriented({"face": "largest"})
        with pytest.raises(GateRefused) as caught:
            bench.print(bench.service.authorise())
        assert caught.value.kind == "recipe_orientation"
        assert (bench.service.outcomes, bench.delivered) == ({}, [])

    @pytest.mark.parametrize(
        ("rotations", "room"), [(None, (31, 21, 11)), (None, (21, 31, 11)), ("none", (31, 21, 11))]
    )
    def test_that_makes_the_part_fit_is_printed(
        self, oriented: Callable[..., Bench], rotations: str | None, room: tuple[float, float, float]
    ) -> None:
        bench = oriented([1, 0, 0], box((10, 20, 30)), rotations=rotations)
        home = bench.printer.home
        save_machine(home, replace(load_machine(home), build_volume_mm=room))
        assert bench.print(bench.service.authorise()).state == "reported"
        assert len(bench.delivered) == 1

    def test_is_not_followed_by_a_turn_the_recipe_rules_out(self, oriented: Callable[..., Bench]) -> None:
        bench = oriented([1, 0, 0], box((10, 20, 30)), rotations="none")
        home = bench.printer.home
        save_machine(home, replace(load_machine(home), build_volume_mm=(21, 31, 11)))
        with pytest.raises(GateRefused, match="as its recipe stands it"):
            bench.print(bench.service.authorise())

    def test_that_makes_the_part_too_large_is_refused(self, oriented: Callable[..., Bench]) -> None:
        bench = oriented([1, 1, 1])
        home = bench.printer.home
        save_machine(home, replace(load_machine(home), build_volume_mm=(22, 22, 22)))
        with pytest.raises(GateRefused, match="as its recipe stands it"):
            bench.print(bench.service.authorise())
        assert bench.service.outcomes["job_1"]["outcome"]["result"] == Result.FAILED
        assert bench.delivered == []


class TestReport:
    def test_is_the_operators_when_left_to_them(self, bench: Bench) -> None:
        summary = bench.print(bench.service.authorise(), None)
        assert (summary.state, bench.service.outcomes) == (AWAITING, {})
        bench.settle()
        assert bench.service.outcomes == {}
        summary = bench.process(lambda agent: agent.report("job_1", Result.FAILED, "warped"))
        assert (summary.state, summary.result) == ("reported", "failed")
        assert bench.service.outcomes["job_1"]["report"]["detail"] == "warped"

    def test_is_given_once(self, bench: Bench) -> None:
        bench.print(bench.service.authorise())
        with pytest.raises(JournalError) as caught:
            bench.process(lambda agent: agent.report("job_1", Result.FAILED, "after all"))
        assert caught.value.kind == "already_reported"

    def test_needs_a_print_that_started(self, bench: Bench) -> None:
        bench.service.lies["claim"] = lambda value: value
        with pytest.raises(Crash):
            bench.print(bench.service.authorise(), crash_at=4)
        with pytest.raises(JournalError) as caught:
            bench.process(lambda agent: agent.report("job_1", Result.COMPLETED, "it did not"))
        assert caught.value.kind == "not_started"


class TestParticulars:
    SAID = Particulars(serials=("SN-1",), batch="LOT 7", measurements=(Measurement("bore", "22.0", "mm"),))

    def test_stand_in_the_report(self, bench: Bench) -> None:
        token = PrintToken(bench.service.authorise())
        bench.process(lambda agent: agent.print(token, None, self.SAID))
        later = Particulars(mass_g="7", measurements=(Measurement("bore", "22.1", "mm"),))
        bench.process(lambda agent: agent.report("job_1", Result.COMPLETED, "good", later))
        report = PrintReport.from_json(bench.service.outcomes["job_1"]["report"])
        assert (report.serials, report.material.batch, report.mass_g) == (("SN-1",), "LOT 7", "7")
        assert [each.value for each in report.measurements] == ["22.1"]

    def test_survive_a_crash(self, bench: Bench) -> None:
        token = PrintToken(bench.service.authorise())
        for crash_at in range(1, 30):
            with pytest.raises(Crash):
                bench.process(lambda agent: agent.print(token, Result.COMPLETED, self.SAID), crash_at)
            with Journal.open(bench.printer.home) as journal:
                if journal.undecided():
                    break
        assert bench.service.outcomes == {}
        bench.settle()
        assert bench.service.outcomes["job_1"]["report"]["serials"] == ["SN-1"]

    def test_are_corrected_where_the_service_refused_them(self, bench: Bench) -> None:
        refusal = problem(409, "conflict", "serial SN-1 is on another completed print of this design")
        bench.service.faults += [None, None, None, refusal]
        token = PrintToken(bench.service.authorise())
        assert bench.process(lambda agent: agent.print(token, particulars=self.SAID)).state == "finished"
        told = bench.process(lambda agent: agent.summary("job_1"))
        assert told.outcome is None
        bench.hands.at += 9000
        bench.service.faults += [httpx2.ConnectError("offline")] * 100
        bench.process(
            lambda agent: agent.report("job_1", Result.COMPLETED, "good", Particulars(serials=("SN-2",)))
        )
        bench.service.faults.clear()
        bench.settle()
        report = PrintReport.from_json(bench.service.outcomes["job_1"]["report"])
        assert (report.serials, report.material.batch) == (("SN-2",), "LOT 7")
        assert report.ended_at < bench.hands.at - 8000

    def test_are_not_corrected_while_nobody_knows_whether_they_came(self, bench: Bench) -> None:
        bench.service.faults += [None, None, None, *[httpx2.ConnectError("offline")] * 100]
        token = PrintToken(bench.service.authorise())
        bench.process(lambda agent: agent.print(token, particulars=self.SAID))
        with pytest.raises(JournalError, match="has an outcome already"):
            bench.process(lambda agent: agent.report("job_1", Result.COMPLETED, "good", self.SAID))

    def test_start_no_earlier_than_the_count(self, bench: Bench) -> None:
        counted = int(bench.hands.at) + 4000
        bench.service.lies["release"] = lambda value: value["receipt"].update(block_time=counted)
        bench.print(bench.service.authorise())
        report = PrintReport.from_json(bench.service.outcomes["job_1"]["report"])
        assert (report.started_at, report.ended_at) == (counted, counted)


class TestOffline:
    def test_continues_with_the_same_token(self, bench: Bench) -> None:
        token = bench.service.authorise()
        bench.service.faults += [None, *[httpx2.ConnectError("offline")] * 100]
        with pytest.raises(Unreachable):
            bench.print(token)
        bench.service.faults.clear()
        assert bench.print(token).state == "reported"
        assert len(bench.service.calls("/v1/prints/claim")) == 1

    def test_keeps_outcomes_until_they_can_be_sent(self, bench: Bench) -> None:
        bench.service.faults += [None, None, None, *[httpx2.ConnectError("offline")] * 100]
        summary = bench.print(bench.service.authorise())
        assert (summary.state, summary.outcome) == ("finished", None)
        bench.service.faults.clear()
        bench.settle()
        assert bench.service.outcomes["job_1"]["outcome"]["result"] == Result.COMPLETED
        assert bench.process(lambda agent: agent.summary("job_1")).state == "reported"

    def test_keeps_outcomes_the_service_refuses_for_now(self, bench: Bench) -> None:
        bench.service.faults += [None, None, None, problem(500, "internal", "something broke")]
        assert bench.print(bench.service.authorise()).state == "finished"
        bench.settle()
        assert "job_1" in bench.service.outcomes


class TestCrash:
    """The agent dies at every step of the world around it, then runs the same token again."""

    def test_never_prints_twice_and_always_reports(
        self, sandbox: Sandbox, hands: Hands, enrol_at: Callable[[FakeService], Settings]
    ) -> None:
        service = FakeService(prints=100)
        bench = Bench(enrol_at(service), service, sandbox, hands)
        steps = 0
        crashed = True
        while crashed:
            token = bench.service.authorise()
            number = len(bench.service.tokens)
            crashed = self.run_and_die(bench, token, steps)
            if crashed:
                self.run_again(bench, token)
            bench.settle()
            release = f"rel_{number}"
            assert bench.driver.started.count(release) <= 1
            assert f"job_{number}" in bench.service.outcomes, f"no outcome after a crash at step {steps}"
            result = bench.service.outcomes[f"job_{number}"]["outcome"]["result"]
            whole = [path for path in bench.delivered if path.name.startswith(release + "-")]
            assert len(whole) == (1 if result == Result.COMPLETED else 0)
            assert not [path for path in bench.delivered if path.name.startswith(".")]
            steps += 1
        assert steps > 18

    @staticmethod
    def run_and_die(bench: Bench, token: str, step: int) -> bool:
        try:
            bench.print(token, crash_at=step)
        except Crash:
            return True
        return False

    @staticmethod
    def run_again(bench: Bench, token: str) -> None:
        if bench.driver.started.count(f"rel_{len(bench.service.tokens)}"):
            with pytest.raises(JournalError, match="never starts again"):
                bench.print(token)
        else:
            with suppress(JournalError):
                assert bench.print(token).state == "reported"


class TestSecrets:
    def test_are_nowhere_in_the_home(self, bench: Bench) -> None:
        token = bench.service.authorise()
        bench.print(token)
        kept = b"".join(path.read_bytes() for path in bench.printer.home.rglob("*") if path.is_file())
        assert token.encode() not in kept
        assert bench.service.plaintext[:200] not in kept
        assert bench.service.key.reveal() not in kept
        assert json.dumps(bench.service.key.reveal().hex()).encode() not in kept
