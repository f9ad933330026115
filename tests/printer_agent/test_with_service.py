"""The agent against a real service: prints, refusals, offline times, and `kill -9` between any two stages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.typed_data import Enrolment
from printer_agent.inbox import inbox_of
from tests.e2e.conftest import Market
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess

PRINTER = Path(sys.executable).with_name("partvault-printer")
STAGES = ("claimed", "released", "verified", "decrypted", "gated", "started")
QUICK = {"released", "gated", "started"}


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

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [PRINTER, *words, "--home", self.home]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    def token(self) -> str:
        request = {"licence_id": self.licence["id"], "printer_id": self.id}
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        answer = self.market.provider.expect(201, "POST", "/v1/prints", json=request, headers=headers)
        return str(answer["token"])

    def print(self, token: str, *words: str) -> tuple[int, dict[str, Any]]:
        done = self.run("print", "-", "--json", *words, stdin=token + "\n")
        return done.returncode, json.loads(done.stdout or "{}")

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

    def counts(self) -> tuple[int, int]:
        shown = self.market.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        return shown["prints_recorded"], shown["credited"]

    def states(self) -> list[str]:
        rows = self.market.provider.expect(200, "GET", "/v1/prints", params={"limit": "100"})["items"]
        return [row["state"] for row in rows if row["licence_id"] == self.licence["id"]]


def open_machine(market: Market, home: Path, build_volume: str = "250x210x210", **terms: Any) -> Machine:
    """Enrol a printer by its own command, have it approved, and license a part to its provider."""
    body = {
        "name": "Workhorse",
        "machine": {
            "model": "W",
            "build_volume_mm": [250, 210, 210],
            "processes": ["MEX"],
            "materials": ["PETG"],
        },
    }
    made = market.provider.expect(201, "POST", "/v1/printers", json=body)
    words = ["--url", market.service.url, "--code", made["enrolment_code"], "--build-volume", build_volume]
    command = [PRINTER, "enrol", *words, "--home", home, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = market.provider.expect(200, "GET", f"/v1/printers/{made['id']}")
    assert shown["key_thumbprint"] == json.loads(done.stdout)["key_thumbprint"]
    signature = market.provider.sign(Enrolment.from_json(shown["enrolment"]))
    path = f"/v1/printers/{made['id']}/approve"
    market.provider.expect(200, "POST", path, json={"signature": signature})
    licence = market.owner.license(
        market.published(), market.provider, **{"prints": 20, "reprints": 2, **terms}
    )
    return Machine(market, home, made["id"], licence)


@pytest.fixture
def machine(market: Market, tmp_path: Path) -> Machine:
    return open_machine(market, tmp_path / "home")


class TestPrint:
    def test_delivers_the_owners_bytes(self, machine: Machine) -> None:
        code, summary = machine.print(machine.token())
        assert code == 0, summary
        assert (summary["state"], summary["result"], summary["sequence"]) == ("reported", "completed", 1)
        assert summary["receipt"]["block_number"] > 0
        assert summary["outcome"]["state"] == "completed"
        assert [path.read_bytes() for path in machine.delivered()] == [box()]
        assert machine.counts() == (1, 0)

    def test_refuses_a_token_used_twice(self, machine: Machine) -> None:
        token = machine.token()
        assert machine.print(token)[0] == 0
        code, answer = machine.print(token)
        assert (code, answer["error"]["kind"]) == (1, "already_started")
        assert len(machine.delivered()) == 1
        assert machine.counts() == (1, 0)

    def test_credits_a_failed_print(self, machine: Machine) -> None:
        code, summary = machine.print(machine.token(), "--result", "failed")
        assert (code, summary["result"]) == (0, "failed")
        assert machine.counts() == (1, 1)

    def test_takes_the_operators_word(self, machine: Machine) -> None:
        code, summary = machine.print(machine.token(), "--result", "later")
        assert (code, summary["state"]) == (0, "awaiting")
        assert machine.states() == ["redeemed"]
        done = machine.run("report", summary["print_id"], "--result", "cancelled", "--json")
        assert done.returncode == 0, done.stderr
        assert machine.states() == ["cancelled"]

    def test_refuses_another_printers_token(self, market: Market, machine: Machine, tmp_path: Path) -> None:
        thief = open_machine(market, tmp_path / "thief")
        code, answer = thief.print(machine.token())
        assert (code, answer["error"]["kind"]) == (1, "invalid-proof")
        assert (thief.delivered(), machine.counts()) == ([], (0, 0))

    def test_refuses_a_part_too_large_for_this_machine(self, market: Market, tmp_path: Path) -> None:
        small = open_machine(market, tmp_path / "home", build_volume="15x15x15")
        code, answer = small.print(small.token())
        assert (code, answer["error"]["kind"]) == (1, "gate")
        assert small.delivered() == []
        assert small.states() == ["failed"]
        assert small.counts() == (1, 1)

    def test_says_why_a_revoked_licence_prints_nothing(self, machine: Machine) -> None:
        token = machine.token()
        machine.market.owner.revoke(machine.licence)
        code, answer = machine.print(token)
        assert code == 1
        assert "revoked" in answer["error"]["message"]
        assert machine.delivered() == []


class TestRun:
    def test_takes_what_waits_in_the_inbox(self, machine: Machine) -> None:
        inbox = inbox_of(machine.home)
        for name in ("b", "a"):
            (inbox / f"{name}.token").write_text(machine.token() + "\n")
        (inbox / "c.token").write_text("no token of anybody\n")
        done = machine.run("run", "--once", "--json")
        assert done.returncode == 1, done.stderr
        assert list(inbox.iterdir()) == []
        assert len(machine.delivered()) == 2
        assert machine.states() == ["completed", "completed"]

    def test_stops_when_it_is_told(self, machine: Machine) -> None:
        (inbox_of(machine.home) / "a.token").write_text(machine.token())
        agent = subprocess.Popen([PRINTER, "run", "--home", machine.home], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while "completed" not in machine.states() and time.monotonic() < deadline:
            time.sleep(0.05)
        agent.terminate()
        assert agent.wait(timeout=30) == 0
        assert machine.states() == ["completed"]


class TestStatus:
    def test_works_without_the_service(self, machine: Machine) -> None:
        assert machine.print(machine.token())[0] == 0
        done = machine.run("status", "--json")
        found = json.loads(done.stdout)
        assert [job["state"] for job in found["prints"]] == ["reported"]
        assert found["outcomes_waiting"] == 0

    def test_doctor_finds_everything_well(self, machine: Machine) -> None:
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
        code, answer = machine.print(token)
        if code != 0:
            assert answer["error"]["kind"] == "already_started"
            machine.run("run", "--once")
        (state,) = machine.states()
        files = machine.delivered()
        assert (state, len(files)) in {("completed", 1), ("failed", 0)}
        assert [path.read_bytes() for path in files] in ([box()], [])
        assert machine.counts()[0] == 1
