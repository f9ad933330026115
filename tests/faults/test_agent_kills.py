"""`kill -9` of the printer agent at every I/O of a print, from its start to the outcome the service took.

Nobody chose the points: the interpreter lists them during a print (`tests.faults.strikes`), then the agent
dies once at each and is started again with the same token. Whatever the moment, the release starts at most
once, the chain counts the print once, and the service hears how it ended.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from ledger.typed_data import Enrolment
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.settings import Settings
from tests.app.toolpaths import MACHINE_LIMITS, MADE_FOR, square
from tests.e2e.conftest import Market
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess
from tests.faults.moonraker_host import MoonrakerHost, running_moonraker
from tests.faults.strikes import by_kind, died, spread
from tests.faults.struck_agent import StruckAgent

PRINTS = 100_000
DRIVERS = ["folder", pytest.param("moonraker", marks=pytest.mark.slow)]
MISSED_PERCENT_MAX = 10
ENDS = {"completed": 1, "failed": 0}
"""States of a print that has ended, and how often its release started on the machine."""


class Machine(Protocol):
    """Where prints start."""

    def take(self) -> None:
        """Take away what has come, where the machine does so."""

    def starts(self) -> dict[str, int]:
        """How often each file that ever came was started."""


@dataclass
class Folder:
    """A watched folder, whose machine moves what comes into another one."""

    path: Path
    taken: list[Path] = field(default_factory=list)

    def take(self) -> None:
        for file in self.path.glob("[!.]*"):
            self.taken.append(file.rename(self.path.parent / f"{len(self.taken)}-{file.name}"))

    def starts(self) -> dict[str, int]:
        self.take()
        return Counter(path.name.partition("-")[2] for path in self.taken)


@dataclass
class Hosted:
    """A printer host."""

    host: MoonrakerHost

    def take(self) -> None:
        """A host keeps its files."""

    def starts(self) -> dict[str, int]:
        assert self.host.files == {}, "the host was not wiped"
        return dict(self.host.starts)


@dataclass
class Bench:
    """One printer's home and its agent; every round is a print of its own."""

    market: Market
    licence: dict[str, Any]
    printer_id: str
    agent: StruckAgent
    machine: Machine
    prints: int = 0

    def authorise(self) -> dict[str, Any]:
        request = {"licence_id": self.licence["id"], "printer_id": self.printer_id}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        self.prints += 1
        return self.market.provider.expect(201, "POST", "/v1/prints", json=request, headers=headers)

    def die_at(self, point: str) -> bool:
        """Have the agent die there, and start it again; tells whether it met that point."""
        before, made = self.machine.starts(), self.authorise()
        met = self.agent.print(made["token"], point).get("struck") == point
        self.machine.take()
        again = self.agent.print(made["token"])
        assert again["ended"] in {"reported", "already_started"}, f"died at {point}: {again['ended']}"
        after = self.machine.starts()
        started = [after[name] for name in after.keys() - before.keys()]
        state = self.market.provider.expect(200, "GET", f"/v1/prints/{made['id']}")["state"]
        assert sum(started) == ENDS[state], f"died at {point}: {state}, started {started}"
        assert all(after[name] == count for name, count in before.items())
        assert self.recorded() == self.prints, f"died at {point}: counted otherwise"
        return met

    def recorded(self) -> int:
        shown = self.market.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        return int(shown["prints_recorded"])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with ServiceProcess(tmp_path_factory.mktemp("market") / "data") as service:
        yield Market.open(service)


@pytest.fixture(scope="module", params=DRIVERS)
def bench(
    request: pytest.FixtureRequest, market: Market, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    home, owner, provider = tmp_path_factory.mktemp("agent") / "home", market.owner, market.provider
    printer_id = enrolled(market, home)
    revision = (
        market.published()
        if request.param == "folder"
        else owner.publish(owner.upload(square(), "part.gcode", **MADE_FOR))
    )
    licence = owner.license(revision, provider, prints=PRINTS, reprints=PRINTS)
    with ExitStack() as stack:
        machine: Machine = Folder(home / "watch")
        settings = {"driver": request.param, "host_poll_s": "0.01"}
        if request.param == "moonraker":
            host, settings["host_url"] = stack.enter_context(running_moonraker())
            machine = Hosted(host)
        agent = stack.enter_context(StruckAgent(home, **settings))
        yield Bench(market, licence, printer_id, agent, machine)


def enrolled(market: Market, home: Path) -> str:
    """Enrol a printer as its command does and have it approved; gives its id."""
    machine = {
        "model": "W",
        "build_volume_mm": [250, 210, 210],
        "processes": ["MEX"],
        "materials": ["PETG"],
    }
    made = market.provider.expect(
        201, "POST", "/v1/printers", json={"name": home.parent.name, "machine": machine}
    )
    wishes, url, code = MachineWishes(build_volume="250x210x210"), market.service.url, made["enrolment_code"]
    enrol_home(
        Settings.read({}, home=home), url, code, suite="MLKEM768-X25519", provider=None, machine=wishes
    )
    shown = market.provider.expect(200, "GET", f"/v1/printers/{made['id']}")
    signed = {"signature": market.provider.sign(Enrolment.from_json(shown["enrolment"]))}
    market.provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json=signed)
    path = home / "machine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "limits": MACHINE_LIMITS}))
    return str(made["id"])


@pytest.fixture(scope="module")
def points(bench: Bench) -> list[str]:
    """Every point that a print passes, in order."""
    told = bench.agent.print(bench.authorise()["token"])
    assert told["ended"] == "reported"
    return list(told["passed"])


class TestPrint:
    @pytest.mark.parametrize("deaths", [5, pytest.param(1_000_000, marks=pytest.mark.slow)])
    def test_starts_at_most_once_and_is_reported(
        self, bench: Bench, points: list[str], deaths: int, say: Callable[[str], None]
    ) -> None:
        assert {"database", "file", "socket"} <= {point.split("|")[1] for point in points}
        chosen = spread(points, deaths)
        missed = [point for point in chosen if not bench.die_at(point)]
        say(f"a print has {len(points)} points: {by_kind(points)}; {died(chosen, missed)}")
        assert 100 * len(missed) <= MISSED_PERCENT_MAX * len(chosen) + 100
        if isinstance(bench.machine, Folder):
            assert {path.read_bytes() for path in bench.machine.taken} == {box()}
