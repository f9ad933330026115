"""The agent against a real service: prints, refusals, offline times, and `kill -9` between any two stages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.typed_data import Enrolment, Result
from mesh_tools.sandbox import Sandbox
from printer_agent.agent import Agent, Summary
from printer_agent.assembly import open_agent
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.errors import GateRefused, JournalError, ServiceProblem
from printer_agent.inbox import inbox_of
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.app.toolpaths import MACHINE_LIMITS, MADE_FOR, square
from tests.e2e.conftest import Market
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess

PRINTER = Path(sys.executable).with_name("partvault-printer")
STAGES = ("claimed", "released", "verified", "decrypted", "gated", "started")
QUICK = {"released", "started"}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with ServiceProcess(tmp_path_factory.mktemp("market") / "data") as service:
        yield Market.open(service)


@dataclass
class Machine:
    """A printer's home on disk, and the agent run beside it as a process of its own."""

    market: Market
    home: Path
    id: str
    licence: dict[str, Any]
    sandbox: Sandbox

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [PRINTER, *words, "--home", self.home]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    def token(self) -> str:
        request = {"licence_id": self.licence["id"], "printer_id": self.id}
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        answer = self.market.provider.expect(201, "POST", "/v1/prints", json=request, headers=headers)
        return str(answer["token"])

    def act(self, deed: Callable[[Agent], Summary]) -> Summary:
        """Do something in this process, with the tests' own sandbox."""
        with open_agent(Settings.read({}, home=self.home), sandbox=self.sandbox) as agent:
            return deed(agent)

    def print(self, token: str, result: Result | None = Result.COMPLETED) -> Summary:
        return self.act(lambda agent: agent.print(PrintToken(token), result))

    def settle(self) -> None:
        """Recover and send what waits, as the next start would."""
        with open_agent(Settings.read({}, home=self.home), sandbox=self.sandbox) as agent:
            assert agent.send_outcomes() == 0

    def print_killed_at(self, token: str, stage: str) -> None:
        """Run the agent and `kill -9` it as soon as it says that it reached a stage."""
        command = [PRINTER, "print", token, "--home", self.home]
        agent = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert agent.stderr is not None
        for line in agent.stderr:
            if stage in line:
                os.kill(agent.pid, signal.SIGKILL)
                break
        agent.stderr.close()
        agent.wait(timeout=30)

    def delivered(self) -> list[Path]:
        watch = self.home / "watch"
        return sorted(watch.iterdir()) if watch.exists() else []

    def limit(self, **changes: Any) -> None:
        """Write limits for toolpaths into the machine's description, as its operator would."""
        path = self.home / "machine.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "limits": MACHINE_LIMITS | changes}))

    def licensed(self, revision: dict[str, Any]) -> Machine:
        """The same machine under a licence for another revision."""
        return replace(self, licence=self.market.owner.license(revision, self.market.provider, prints=5))

    def counts(self) -> tuple[int, int]:
        shown = self.market.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        return shown["prints_recorded"], shown["credited"]

    def states(self) -> list[str]:
        rows = self.market.provider.expect(200, "GET", "/v1/prints", params={"limit": "100"})["items"]
        return [row["state"] for row in rows if row["licence_id"] == self.licence["id"]]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def revision(market: Market) -> dict[str, Any]:
    return market.published()


Opener = Callable[..., Machine]


@pytest.fixture
def open_machine(
    market: Market, sandbox: Sandbox, revision: dict[str, Any], tmp_path: Path
) -> Callable[..., Machine]:
    """Enrol a printer as its command does, have it approved, and license the part to its provider."""

    def opened(name: str = "home", build_volume: str = "250x210x210") -> Machine:
        body = {
            "name": name,
            "machine": {
                "model": "W",
                "build_volume_mm": [250, 210, 210],
                "processes": ["MEX"],
                "materials": ["PETG"],
            },
        }
        made = market.provider.expect(201, "POST", "/v1/printers", json=body)
        settings = Settings.read({}, home=tmp_path / name)
        wishes = MachineWishes(build_volume=build_volume)
        url, code = market.service.url, made["enrolment_code"]
        enrolled = enrol_home(settings, url, code, suite="MLKEM768-X25519", provider=None, machine=wishes)
        shown = market.provider.expect(200, "GET", f"/v1/printers/{made['id']}")
        assert shown["key_thumbprint"] == enrolled["key_thumbprint"]
        signed = {"signature": market.provider.sign(Enrolment.from_json(shown["enrolment"]))}
        market.provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json=signed)
        licence = market.owner.license(revision, market.provider, prints=20, reprints=2)
        return Machine(market, tmp_path / name, made["id"], licence, sandbox)

    return opened


@pytest.fixture
def machine(open_machine: Opener) -> Machine:
    return open_machine()


class TestPrint:
    def test_delivers_the_owners_bytes(self, machine: Machine) -> None:
        summary = machine.print(machine.token())
        assert (summary.state, summary.result, summary.sequence) == ("reported", "completed", 1)
        assert summary.receipt is not None
        assert summary.receipt["block_number"] > 0
        assert summary.outcome is not None
        assert summary.outcome["state"] == "completed"
        assert [path.read_bytes() for path in machine.delivered()] == [box()]
        assert machine.counts() == (1, 0)

    def test_refuses_a_token_used_twice(self, machine: Machine) -> None:
        token = machine.token()
        machine.print(token)
        with pytest.raises(JournalError) as caught:
            machine.print(token)
        assert caught.value.kind == "already_started"
        assert len(machine.delivered()) == 1
        assert machine.counts() == (1, 0)

    def test_credits_a_failed_print(self, machine: Machine) -> None:
        assert machine.print(machine.token(), Result.FAILED).result == "failed"
        assert machine.counts() == (1, 1)

    def test_takes_the_operators_word(self, machine: Machine) -> None:
        summary = machine.print(machine.token(), None)
        assert (summary.state, machine.states()) == ("awaiting", ["redeemed"])
        machine.act(lambda agent: agent.report(summary.print_id, Result.CANCELLED, "the wrong colour"))
        assert machine.states() == ["cancelled"]

    def test_refuses_another_printers_token(self, open_machine: Opener) -> None:
        honest, thief = open_machine("honest"), open_machine("thief")
        with pytest.raises(ServiceProblem) as caught:
            thief.print(honest.token())
        assert caught.value.kind == "invalid-proof"
        assert (thief.delivered(), honest.counts()) == ([], (0, 0))

    def test_refuses_a_part_too_large_for_this_machine(self, open_machine: Opener) -> None:
        small = open_machine("small", build_volume="15x15x15")
        with pytest.raises(GateRefused):
            small.print(small.token())
        assert (small.delivered(), small.states(), small.counts()) == ([], ["failed"], (1, 1))

    def test_says_why_a_revoked_licence_prints_nothing(self, machine: Machine) -> None:
        token = machine.token()
        machine.market.owner.revoke(machine.licence)
        with pytest.raises(ServiceProblem, match="revoked"):
            machine.print(token)
        assert machine.delivered() == []


class TestToolpath:
    @pytest.fixture(scope="class")
    @classmethod
    def toolpath(cls, market: Market) -> dict[str, Any]:
        uploaded = market.owner.upload(square(), "part.gcode", **MADE_FOR)
        return market.owner.publish(uploaded)

    def test_is_delivered_within_the_machines_own_limits(
        self, machine: Machine, toolpath: dict[str, Any]
    ) -> None:
        machine.limit()
        mine = machine.licensed(toolpath)
        assert mine.print(mine.token()).result == "completed"
        assert [path.read_bytes() for path in mine.delivered()] == [square()]

    @pytest.mark.parametrize(
        ("limits", "code"),
        [({"temperature_c_max": 200}, "toolpath.temperature"), (None, "toolpath.no_machine")],
        ids=["lower", "none"],
    )
    def test_is_refused_whatever_its_recipe_allows(
        self, machine: Machine, toolpath: dict[str, Any], limits: dict[str, Any] | None, code: str
    ) -> None:
        if limits is not None:
            machine.limit(**limits)
        mine = machine.licensed(toolpath)
        with pytest.raises(GateRefused, match=code) as caught:
            mine.print(mine.token())
        assert (caught.value.remedy == "describe `limits` in machine.json") == (limits is None)
        assert (mine.delivered(), mine.states()) == ([], ["failed"])


class TestRun:
    def test_takes_what_waits_until_it_is_told_to_stop(self, machine: Machine) -> None:
        inbox = inbox_of(machine.home)
        (inbox / "a.token").write_text("no token of anybody\n")
        for name in ("b", "c"):
            (inbox / f"{name}.token").write_text(machine.token() + "\n")
        agent = subprocess.Popen([PRINTER, "run", "--home", machine.home], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while machine.states() != ["completed", "completed"] and time.monotonic() < deadline:
            time.sleep(0.1)
        agent.terminate()
        assert agent.wait(timeout=30) == 0
        assert machine.states() == ["completed", "completed"]
        assert list(inbox.iterdir()) == []

    def test_keeps_a_token_while_the_printer_is_in_quarantine(self, machine: Machine) -> None:
        path, printer = inbox_of(machine.home) / "a.token", f"/v1/printers/{machine.id}"
        path.write_text(machine.token() + "\n")
        provider = machine.market.provider
        provider.expect(200, "POST", f"{printer}/quarantine", json={"reason": "its door was open"})
        waits = machine.run("run", "--once", "--json")
        assert (waits.returncode, json.loads(waits.stdout)["error"]["kind"]) == (1, "printer_quarantined")
        assert (path.exists(), machine.states()) == (True, ["authorised"])
        provider.expect(200, "POST", f"{printer}/lift")
        done = machine.run("run", "--once", "--json")
        assert (done.returncode, machine.states(), path.exists()) == (0, ["completed"], False), done.stdout


class TestCommand:
    def test_prints_and_tells(self, machine: Machine) -> None:
        done = machine.run("print", "-", "--json", stdin=machine.token() + "\n")
        assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "reported"), done.stderr
        found = json.loads(machine.run("status", "--json").stdout)
        assert [job["state"] for job in found["prints"]] == ["reported"]
        assert found["outcomes_waiting"] == 0

    def test_refuses_with_a_reason(self, machine: Machine) -> None:
        done = machine.run("print", "pvt_unknown", "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (1, "invalid-proof")

    def test_doctor_says_what_is_wrong(self, machine: Machine) -> None:
        done = machine.run("doctor", "--json")
        assert done.returncode == 0, done.stdout
        (machine.home / "identity.json").chmod(0o644)
        done = machine.run("doctor", "--json")
        assert done.returncode == 1
        remedies = [check["remedy"] for check in json.loads(done.stdout)["checks"] if not check["ok"]]
        assert f"chmod 600 {machine.home / 'identity.json'}" in remedies


class TestKill:
    @pytest.mark.parametrize(
        "stage", [pytest.param(s, marks=() if s in QUICK else pytest.mark.slow) for s in STAGES]
    )
    def test_leaves_one_print_and_one_outcome(self, machine: Machine, stage: str) -> None:
        token = machine.token()
        machine.print_killed_at(token, stage)
        with suppress(JournalError):
            machine.print(token)
        machine.settle()
        (state,) = machine.states()
        files = machine.delivered()
        assert (state, len(files)) in {("completed", 1), ("failed", 0)}
        assert [path.read_bytes() for path in files] in ([box()], [])
        assert machine.counts()[0] == 1
