"""A plate at the agent against a real service: one mesh, one start, an outcome of its own for every print."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.typed_data import Enrolment, Result
from mesh_tools.comparison.solid import Solid
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.sandbox import Sandbox
from printer_agent.agent import Agent
from printer_agent.assembly import open_agent
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.errors import DriverError, GateRefused, JournalError
from printer_agent.journal import Journal
from printer_agent.outcomes import Summary
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.e2e.conftest import Market
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess
from tests.printer_agent.test_agent import Fuse
from tests.printer_agent.test_following import HostInMemory

BOX_MM3 = 20 * 30 * 10
STAGES = ("claimed", "released", "decrypted", "gated", "started")
QUICK = {"released", "started"}


@dataclass
class Machine:
    """A printer's home, and licences for its provider."""

    market: Market
    home: Path
    id: str
    licences: list[dict[str, Any]]
    sandbox: Sandbox

    def plate(self, *counts: int, **part: Any) -> dict[str, Any]:
        """Authorise a plate of so many prints of each licence."""
        parts = [
            {"licence_id": licence["id"], "count": count} | part
            for licence, count in zip(self.licences, counts, strict=False)
        ]
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        request = {"printer_id": self.id, "parts": parts}
        return self.market.provider.expect(201, "POST", "/v1/plates", json=request, headers=headers)

    def print(self, token: str, result: Result | None = Result.COMPLETED) -> Summary:
        with self.agent() as agent:
            return agent.print(PrintToken(token), result)

    def agent(self, watcher: Any = None) -> Any:
        return open_agent(Settings.read({}, home=self.home), watcher, sandbox=self.sandbox)

    def delivered(self) -> list[Path]:
        watch = self.home / "watch"
        return sorted(watch.iterdir()) if watch.exists() else []

    def states(self, made: dict[str, Any]) -> list[str]:
        seen = self.market.provider.expect(200, "GET", f"/v1/plates/{made['id']}")
        return [row["state"] for row in seen["prints"]]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with ServiceProcess(tmp_path_factory.mktemp("plates") / "data") as service:
        yield Market.open(service)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def revision(market: Market) -> dict[str, Any]:
    return market.published()


@pytest.fixture
def machine(market: Market, sandbox: Sandbox, revision: dict[str, Any], tmp_path: Path) -> Machine:
    described = {
        "model": "W",
        "build_volume_mm": [250, 210, 210],
        "processes": ["MEX"],
        "materials": ["PETG"],
    }
    made = market.provider.expect(201, "POST", "/v1/printers", json={"name": "P", "machine": described})
    settings = Settings.read({}, home=tmp_path / "home")
    url, code, wishes = market.service.url, made["enrolment_code"], MachineWishes(build_volume="250x210x210")
    enrol_home(settings, url, code, suite="MLKEM768-X25519", provider=None, machine=wishes)
    shown = market.provider.expect(200, "GET", f"/v1/printers/{made['id']}")
    signed = {"signature": market.provider.sign(Enrolment.from_json(shown["enrolment"]))}
    market.provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json=signed)
    licences = [market.owner.license(revision, market.provider, prints=9, reprints=3) for _ in range(2)]
    return Machine(market, tmp_path / "home", made["id"], licences, sandbox)


class TestPrint:
    def test_delivers_one_mesh_of_all_parts_and_reports_each(self, machine: Machine) -> None:
        made = machine.plate(2, 1)
        summary = machine.print(made["token"])
        assert (summary.print_id, summary.result) == (made["prints"][0]["print_id"], "completed")
        assert machine.states(made) == ["completed"] * 3
        (file,) = machine.delivered()
        assert file.name.endswith("-plate.stl")
        solid = Solid.of_model(load(memoryview(file.read_bytes()), file.name, Limits()), 1.0)
        assert solid.shells == 3
        assert solid.volume == pytest.approx(3 * BOX_MM3)
        spot = made["layout"][0]
        assert solid.bounds[0].tolist() == [spot["x_mm"], spot["y_mm"], 0]

    def test_no_release_of_it_starts_again(self, machine: Machine) -> None:
        made = machine.plate(1, 1)
        machine.print(made["token"])
        with pytest.raises(JournalError) as caught:
            machine.print(made["token"])
        assert caught.value.kind == "already_started"
        assert len(machine.delivered()) == 1
        with Journal.open(machine.home) as journal:
            releases = [journal.job(row["print_id"]).release_id for row in made["prints"]]
            assert all(release is not None and journal.was_started(release) for release in releases)

    def test_takes_the_operators_word_for_each_part(self, machine: Machine) -> None:
        made = machine.plate(1, 1)
        assert machine.print(made["token"], None).state == "awaiting"
        assert machine.states(made) == ["redeemed", "redeemed"]
        first, second = (row["print_id"] for row in made["prints"])
        with machine.agent() as agent:
            agent.report(second, Result.FAILED, "it came off the bed")
            agent.report(first, Result.COMPLETED, "it is fine")
        assert machine.states(made) == ["completed", "failed"]
        licence = machine.market.owner.expect(200, "GET", f"/v1/licences/{machine.licences[1]['id']}")
        assert licence["credited"] == 1

    def test_places_the_parts_where_the_provider_said(self, machine: Machine) -> None:
        spots = [{"x_mm": 100, "y_mm": 50, "turn_deg": 90}, {"x_mm": 10, "y_mm": 150}]
        made = machine.plate(2, spots=spots)
        machine.print(made["token"])
        (file,) = machine.delivered()
        solid = Solid.of_model(load(memoryview(file.read_bytes()), file.name, Limits()), 1.0)
        assert solid.bounds.tolist() == [[10, 50, 0], [130, 180, 10]]

    def test_turns_parts_as_their_recipes_say_and_places_them_so(self, machine: Machine) -> None:
        turned = machine.market.published(orientation=[1, 0, 0])
        machine.licences[0] = machine.market.owner.license(turned, machine.market.provider)
        made = machine.plate(1, 1)
        machine.print(made["token"])
        assert machine.states(made) == ["completed"] * 2
        (file,) = machine.delivered()
        solid = Solid.of_model(load(memoryview(file.read_bytes()), file.name, Limits()), 1.0)
        assert (solid.shells, solid.volume) == (2, pytest.approx(2 * BOX_MM3))
        tops = {tuple(corner[:2]) for corner in solid.corners.reshape(-1, 3).tolist() if corner[2] == 20}
        spot = made["layout"][0]
        x, y = spot["x_mm"], spot["y_mm"]
        assert spot["turn_deg"] == 0
        assert tops == {(x, y), (x + 10, y), (x, y + 30), (x + 10, y + 30)}

    def test_a_turned_part_may_need_its_spots_turn_to_fit(self, machine: Machine) -> None:
        turned = machine.market.published(box((20, 230, 3)), orientation=[0, 0, -1])
        machine.licences[0] = machine.market.owner.license(turned, machine.market.provider)
        made = machine.plate(1)
        assert made["layout"][0]["turn_deg"] == 90
        machine.print(made["token"])
        assert machine.states(made) == ["completed"]


class TestRefusal:
    def test_a_part_the_gate_refuses_as_its_recipe_stands_it(self, machine: Machine) -> None:
        path = machine.home / "machine.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "build_volume_mm": [250, 210, 15]}))
        turned = machine.market.published(orientation=[1, 0, 0])
        machine.licences[1] = machine.market.owner.license(turned, machine.market.provider)
        made = machine.plate(1, 1)
        with pytest.raises(GateRefused, match="as its recipe stands it"):
            machine.print(made["token"])
        assert machine.delivered() == []
        assert machine.states(made) == ["failed", "failed"]

    def test_a_machine_too_small_for_the_plate_prints_none_and_reports_all(self, machine: Machine) -> None:
        path = machine.home / "machine.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "build_volume_mm": [40, 40, 40]}))
        made = machine.plate(1, 1)
        with pytest.raises(GateRefused, match="leaves the bed"):
            machine.print(made["token"])
        assert machine.delivered() == []
        assert machine.states(made) == ["failed", "failed"]

    def test_a_machine_that_takes_nothing_leaves_every_print_failed_once(self, machine: Machine) -> None:
        made = machine.plate(1, 1)
        (machine.home / "watch").mkdir(exist_ok=True)
        with pytest.raises(Cut), machine.agent(Watcher("gated")) as agent:
            agent.print(PrintToken(made["token"]))
        (machine.home / "watch" / self._name(machine, made)).mkdir()
        with machine.agent() as agent, pytest.raises(DriverError):
            agent.print(PrintToken(made["token"]))
        assert machine.states(made) == ["failed", "failed"]

    @staticmethod
    def _name(machine: Machine, made: dict[str, Any]) -> str:
        with Journal.open(machine.home) as journal:
            return f"{journal.job(made['prints'][0]['print_id']).release_id}-plate.stl"


class Cut(BaseException):
    """The process dies here."""


class TestCrash:
    @pytest.mark.parametrize(
        "stage",
        [pytest.param(stage, marks=[] if stage in QUICK else pytest.mark.slow) for stage in STAGES],
    )
    def test_at_every_stage_it_prints_once_or_never_and_reports_every_print(
        self, machine: Machine, stage: str
    ) -> None:
        made = machine.plate(2, 1)
        with pytest.raises(Cut), machine.agent(Watcher(stage)) as agent:
            agent.print(PrintToken(made["token"]))
        with machine.agent() as agent:
            again(agent, made["token"])
            assert agent.send_outcomes() == 0
        ended = machine.states(made)
        assert len(set(ended)) == 1
        assert ended[0] in ("completed", "failed")
        assert len(machine.delivered()) == (ended[0] == "completed")

    def test_between_two_reports_the_rest_of_the_plate_gets_the_same_end(self, machine: Machine) -> None:
        made = machine.plate(2, 1)
        with machine.agent() as agent:
            queue, told = agent._outcomes.journal.queue_outcome, []

            def dying(*arguments: Any) -> None:
                if told:
                    raise Cut
                told.append(arguments[0])
                queue(*arguments)

            object.__setattr__(agent._outcomes.journal, "queue_outcome", dying)
            with pytest.raises(Cut):
                agent.print(PrintToken(made["token"]))
        assert told == [made["prints"][2]["print_id"]]
        with machine.agent() as agent:
            assert agent.send_outcomes() == 0
        assert machine.states(made) == ["completed"] * 3
        assert len(machine.delivered()) == 1


class TestFollowing:
    """With a driver that tells how the machine goes on, the plate's prints share its end."""

    @staticmethod
    def _agent(agent: Agent, host: HostInMemory) -> Agent:
        return Agent(replace(agent._tools, driver=host, poll_s=0.0))

    def test_every_print_gets_the_machines_result_after_one_start(self, machine: Machine) -> None:
        made, host = machine.plate(2, 1), HostInMemory(Fuse())
        with machine.agent() as agent:
            self._agent(agent, host).print(PrintToken(made["token"]))
        assert (len(host.started), host.left) == (1, {})
        assert machine.states(made) == ["completed"] * 3

    def test_is_followed_on_after_a_crash(self, machine: Machine) -> None:
        made, host = machine.plate(2, 1), HostInMemory(Fuse())

        def crash() -> None:
            host.meanwhile = None
            raise Cut

        host.meanwhile = crash
        with machine.agent() as agent, pytest.raises(Cut):
            self._agent(agent, host).print(PrintToken(made["token"]))
        with machine.agent() as agent:
            following = self._agent(agent, host)
            following.resume()
            assert following.send_outcomes() == 0
        assert (len(host.started), host.left) == (1, {})
        assert machine.states(made) == ["completed"] * 3

    def test_cancelling_any_part_cancels_the_plate(self, machine: Machine) -> None:
        made, host = machine.plate(2, 1), HostInMemory(Fuse())
        with machine.agent() as agent:
            journal = agent._tools.journal
            host.meanwhile = lambda: journal.ask_cancel(made["prints"][1]["print_id"], 1)
            self._agent(agent, host).print(PrintToken(made["token"]))
        assert machine.states(made) == ["cancelled"] * 3


@dataclass
class Watcher:
    """Dies when a stage is reached."""

    last: str

    def stage(self, name: str, detail: str) -> None:
        if name == self.last:
            raise Cut

    def downloaded(self, done: int, total: int) -> None:
        """Take and forget."""

    def printing(self, percent: float | None, detail: str) -> None:
        """Take and forget."""


def again(agent: Agent, token: str) -> None:
    """Try the token once more; what started before is refused."""
    with suppress(JournalError):
        agent.print(PrintToken(token))
