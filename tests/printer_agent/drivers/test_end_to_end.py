"""From the owner's STL to the end of the print on a real host, with the outcome on the ledger.

The agent runs as its command does; the host notes its own events; afterwards nothing of part or toolpath lies
in any folder of host, agent or service.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ledger.typed_data import Enrolment
from printer_agent.enrol_command import MachineWishes, enrol_home
from printer_agent.errors import GateRefused
from printer_agent.inbox import inbox_of
from printer_agent.settings import Settings
from printer_agent.slicing.prusa import PrusaSlicer
from tests.e2e.conftest import Market
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess
from tests.printer_agent.hosts.moonraker import RunningMoonraker
from tests.printer_agent.hosts.octoprint import RunningHost
from tests.printer_agent.hosts.opcua import running_machine
from tests.printer_agent.hosts.printer_host import PrinterHost

PRINTER = Path(sys.executable).with_name("partvault-printer")
LIMITS = {"temperature_c_max": 280, "bed_c_max": 110, "feed_mm_s_max": 200, "acceleration_mm_s2_max": 5000}
WAIT_S_MAX = 120.0


def wait_for(what: Callable[[], Any], why: str) -> Any:
    deadline = time.monotonic() + WAIT_S_MAX
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)
    return found


@dataclass
class Shop:
    """A provider's machine: its agent's home, its host, one licence, and what was ever seen in the clear."""

    market: Market
    host: PrinterHost
    home: Path
    printer_id: str
    licence: dict[str, Any]
    seen: list[bytes]

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.host.environment,
            "PARTVAULT_PRINTER_DRIVER": self.host.driver,
            "PARTVAULT_PRINTER_HOST_URL": self.host.url,
            "PARTVAULT_PRINTER_HOST_POLL_S": "0.1",
            "PARTVAULT_PRINTER_POLL_INTERVAL_S": "0.2",
            "TMPDIR": str(self.home),
        }

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[bytes]]:
        """The service of the agent, stopped as an init system would."""
        log = (self.home.parent / "agent.log").open("ab")
        command = [str(PRINTER), "run", "--home", str(self.home)]
        process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(timeout=60)
            log.close()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [PRINTER, *words, "--home", self.home]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def ailing(self) -> set[str]:
        """What `doctor` finds wrong; the swap of whoever runs the tests is theirs."""
        checks = json.loads(self.command("doctor", "--json").stdout)["checks"]
        return {check["name"] for check in checks if not check["ok"]}

    def order(self, name: str) -> str:
        """Authorise a print and drop its token; give the print's id."""
        request = {"licence_id": self.licence["id"], "printer_id": self.printer_id}
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        answer = self.market.provider.expect(201, "POST", "/v1/prints", json=request, headers=headers)
        part = inbox_of(self.home) / f"{name}.part"
        part.write_text(answer["token"] + "\n")
        part.rename(part.with_suffix(".token"))
        return str(answer["print_id"] if "print_id" in answer else answer["id"])

    def printing(self) -> str:
        """Wait until the host prints; look at the file in its folder, and give its name."""
        path: Path = wait_for(self.host.printing, "nothing prints")
        content = path.read_bytes()
        self.seen += [content[at : at + 120] for at in (len(content) // 4, len(content) // 2)]
        return path.name

    def state(self, print_id: str) -> str:
        return str(self.market.provider.expect(200, "GET", f"/v1/prints/{print_id}")["state"])

    def ended(self, print_id: str) -> str:
        ends = ("completed", "failed", "cancelled")
        wait_for(lambda: self.state(print_id) in ends, f"print {print_id} does not end")
        return self.state(print_id)

    def counts(self) -> tuple[int, int]:
        shown = self.market.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        return shown["prints_recorded"], shown["credited"]

    def left_in_the_clear(self) -> list[Path]:
        """Files of host, agent and service that hold a piece of what was seen."""
        folders = (self.host.disk, self.home.parent, self.market.service.data_dir, Path("/dev/shm"))
        found = [path for folder in folders for path in folder.rglob("*") if self.holds_any(path)]
        return [path for path in found if path != self.host.memory_log]

    def holds_any(self, path: Path) -> bool:
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # gone since it was listed
            return False
        return any(piece in content for piece in self.seen)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with ServiceProcess(tmp_path_factory.mktemp("market") / "data") as service:
        yield Market.open(service)


def shop_with(host: PrinterHost, market: Market, folder: Path, part: bytes) -> Shop:
    """Enrol a printer whose agent drives `host`, have it approved, and license `part` to its provider."""
    machine = {"model": "W", "build_volume_mm": [250, 210, 210], "processes": ["MEX"], "materials": ["PETG"]}
    made = market.provider.expect(201, "POST", "/v1/printers", json={"name": "shop", "machine": machine})
    home, code = folder / "agent" / "home", made["enrolment_code"]
    home.parent.mkdir()
    wishes = MachineWishes(build_volume="250x210x210")
    settings = Settings.read({}, home=home)
    enrol_home(settings, market.service.url, code, suite="MLKEM768-X25519", provider=None, machine=wishes)
    host.admit(home)
    path = home / "machine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "limits": LIMITS}))
    if host.api_key is not None:
        key = home / "host.key"
        key.touch(0o600)
        key.write_text(host.api_key)
    shown = market.provider.expect(200, "GET", f"/v1/printers/{made['id']}")
    signed = {"signature": market.provider.sign(Enrolment.from_json(shown["enrolment"]))}
    market.provider.expect(200, "POST", f"/v1/printers/{made['id']}/approve", json=signed)
    revision = market.published(part)
    licence = market.owner.license(revision, market.provider, prints=4, reprints=2)
    return Shop(market, host, home, made["id"], licence, [part[84:284]])


class WholePrints:
    """What holds on every host: subclass, give `shop`, and the words the host has for its prints' ends."""

    done: ClassVar[list[str]]
    failed: ClassVar[list[list[str]]]
    cancelled: ClassVar[list[str]]

    def test_prints_fails_and_cancels_and_leaves_nothing(self, shop: Shop) -> None:
        assert shop.ailing() <= {"swap"}
        with shop.agent():
            done = shop.order("a")
            first = shop.printing()
            assert shop.ended(done) == "completed"
            broken = shop.order("b")
            second = shop.printing()
            shop.host.break_down()
            assert shop.ended(broken) == "failed"
            shop.host.repair()
            stopped = shop.order("c")
            third = shop.printing()
            assert shop.command("cancel", stopped).returncode == 0
            assert shop.ended(stopped) == "cancelled"
        assert shop.host.outcomes(first) == self.done
        assert shop.host.outcomes(second) in self.failed
        assert sorted(shop.host.outcomes(third)) == self.cancelled
        assert shop.counts() == (3, 1)
        assert shop.left_in_the_clear() == []

    @pytest.mark.slow
    def test_follows_a_print_over_its_own_death(self, shop: Shop) -> None:
        with shop.agent() as agent:
            done = shop.order("a")
            name = shop.printing()
            os.kill(agent.pid, signal.SIGKILL)
        assert shop.state(done) == "redeemed"
        with shop.agent():
            assert shop.ended(done) == "completed"
        assert shop.host.outcomes(name) == self.done
        assert shop.counts() == (1, 0)
        assert list(inbox_of(shop.home).iterdir()) == []
        assert shop.left_in_the_clear() == []


@pytest.fixture
def slicer() -> None:
    """Skip where meshes cannot be sliced."""
    try:
        PrusaSlicer().check()
    except GateRefused as error:
        pytest.skip(f"{error.message}: install Debian's prusa-slicer")


@pytest.mark.usefixtures("slicer")
class TestOctoPrint(WholePrints):
    done: ClassVar = ["PrintStarted", "PrintDone"]
    failed: ClassVar = [["PrintStarted", "PrintFailed"]]
    cancelled: ClassVar = ["PrintCancelled", "PrintFailed", "PrintStarted"]

    @pytest.fixture
    def shop(self, octoprint_host: RunningHost, market: Market, tmp_path: Path) -> Shop:
        return shop_with(octoprint_host, market, tmp_path, box((20, 20, 3)))


@pytest.mark.slow
@pytest.mark.usefixtures("slicer")
class TestMoonraker(WholePrints):
    """The simulated machine prints in real time, so its part is small.

    A machine that is shut down ends its file with an error, or pauses it where it came between two lines.
    """

    done: ClassVar = ["started", "complete"]
    failed: ClassVar = [["started", "error"], ["started", "paused"]]
    cancelled: ClassVar = ["cancelled", "started"]

    @pytest.fixture
    def shop(self, moonraker_host: RunningMoonraker, market: Market, tmp_path: Path) -> Shop:
        return shop_with(moonraker_host, market, tmp_path, box((8, 8, 0.8)))


@pytest.mark.slow
class TestIndustrialMachine(WholePrints):
    """A machine with OPC UA job control takes the mesh itself."""

    done: ClassVar = ["RUNNING", "ENDED"]
    failed: ClassVar = [["RUNNING", "ABORTED"]]
    cancelled: ClassVar = ["ABORTED", "RUNNING"]

    @pytest.fixture
    def shop(self, market: Market, tmp_path: Path) -> Iterator[Shop]:
        part = box((20, 20, 3))
        with running_machine(tmp_path / "opcua", bytes_per_s=len(part) / 8) as machine:
            yield shop_with(machine, market, tmp_path, part)
