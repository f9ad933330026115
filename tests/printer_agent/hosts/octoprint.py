"""A real OctoPrint with its virtual printer on loopback, in an environment of its own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from printer_agent.drivers.host import HostKey

BINARY = Path(sys.prefix) / "printers" / "octoprint" / "bin" / "octoprint"
READY_S_MAX = 120.0
EVENTS = ("PrintStarted", "PrintDone", "PrintFailed", "PrintCancelled")
OUTGOING = ["softwareupdate", "tracking", "announcements", "pluginmanager", "discovery"]
"""Plugins that ask servers outside, or tell the network about themselves."""
QUIET = {
    "octoprint.util.comm": {"level": "CRITICAL"},
    "octoprint.plugins.virtual_printer.VirtualPrinter.serial": {"level": "CRITICAL"},
}
"""Loggers that write G-code: the first as docs/operations.md asks for it, the second is the machine's own."""


@dataclass
class RunningHost:
    """A printer host: where it listens, where it keeps files, and what a person beside it could do."""

    url: str
    key: HostKey
    folder: Path
    temporary: Path
    driver: str = "octoprint"
    memory_log: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {}

    def admit(self, home: Path) -> None:
        """Do nothing: the key, or being on this machine, is enough."""

    @property
    def disk(self) -> Path:
        return self.folder.parent

    @property
    def api_key(self) -> str:
        return self.key.reveal()

    def ask(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        headers = {"X-Api-Key": self.key.reveal()}
        return httpx2.request(method, self.url + path, headers=headers, timeout=30, **kwargs)

    @property
    def events(self) -> Path:
        """Where the host itself notes what happened to which file."""
        return self.folder.parent / "events"

    def printing(self) -> Path | None:
        job = self.ask("GET", "/api/job").json()
        if job["state"] != "Printing":
            return None
        return self.folder / "uploads" / str(job["job"]["file"]["name"])

    def outcomes(self, name: str) -> list[str]:
        """The events of one file, in their order."""
        lines = self.events.read_text().splitlines() if self.events.exists() else []
        return [event for event, _, file in (line.partition(" ") for line in lines) if file == name]

    def break_down(self) -> None:
        """Let the machine fail in the middle of what it does."""
        body = {"command": "!!DEBUG:trigger_fatal_error_marlin"}
        assert self.ask("POST", "/api/printer/command", json=body).status_code == 204

    def repair(self) -> None:
        """Connect the machine again, as a person would after a failure."""
        self.ask("POST", "/api/connection", json={"command": "connect"})
        self.await_operational()

    def await_operational(self, gone: Callable[[], object] = lambda: None) -> None:
        """Return when the printer stands ready; `gone` tells whether the host ended instead."""
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline:
            assert gone() is None, f"OctoPrint ended, see {self.folder.parent}"
            try:
                answer = self.ask("GET", "/api/job")
                if answer.status_code == 200 and answer.json()["state"] == "Operational":
                    return
            except (httpx2.TransportError, ValueError):
                pass
            time.sleep(0.2)
        raise AssertionError(f"OctoPrint did not become operational in {READY_S_MAX} s")

    def files(self) -> list[Path]:
        """Every file the host or its temporary folder holds."""
        folders = (self.folder, self.temporary)
        return [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_octoprint(folder: Path, *, throttle_s: float = 0.0001) -> Iterator[RunningHost]:
    """Start it, wait until its printer is operational, stop it by its process at the end."""
    base, temporary = folder / "octoprint", folder / "tmp"
    (base / "data" / "appkeys").mkdir(parents=True)
    temporary.mkdir()
    key = secrets.token_hex(16).upper()
    port = free_port()
    host = RunningHost(f"http://127.0.0.1:{port}", HostKey(key), base, temporary)
    app_key = {"root": [{"api_key": key, "app_id": "partvault"}]}
    (base / "data" / "appkeys" / "keys.yaml").write_text(json.dumps(app_key))
    (base / "logging.yaml").write_text(json.dumps({"loggers": QUIET}))
    (base / "config.yaml").write_text(json.dumps(_configuration(throttle_s, host.events)))  # JSON is YAML
    _command(base, "user", "add", "root", "--password", secrets.token_hex(8), "--admin")
    log = (folder / "octoprint.log").open("wb")
    words = ["serve", "--host", "127.0.0.1", "--port", str(port), "--iknowwhatimdoing"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [str(BINARY), "--basedir", str(base), *words]
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        host.await_operational(process.poll)
        yield host
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _command(base: Path, *words: str) -> None:
    subprocess.run([BINARY, "--basedir", base, *words], check=True, capture_output=True, timeout=120)


def _configuration(throttle_s: float, events: Path) -> dict[str, Any]:
    virtual = {
        "enabled": True,
        "throttle": throttle_s,
        "sendWait": False,
        "simulateReset": False,
        "simulated_errors": [],
    }
    told = [
        {"event": name, "type": "system", "command": f"echo '{name} {{name}}' >> {events}"} for name in EVENTS
    ]
    return {
        "events": {"enabled": True, "subscriptions": told},
        "server": {
            "firstRun": False,
            "onlineCheck": {"enabled": False},
            "pluginBlacklist": {"enabled": False},
        },
        "accessControl": {"autologinLocal": False},
        "plugins": {"virtual_printer": virtual, "_disabled": OUTGOING},
        "serial": {"port": "VIRTUAL", "autoconnect": True},
        "temperature": {"cutoff": 1},
        "gcodeAnalysis": {"runAt": "never"},
    }
