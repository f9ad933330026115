"""Starts, stops and troubles the machine of `opcua_machine`, which runs as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from printer_agent.drivers.opcua.certificate import ApplicationCertificate, load_or_make
from printer_agent.drivers.opcua.channel import Access, Login
from printer_agent.drivers.opcua.driver import OpcUaDriver
from printer_agent.drivers.opcua.job_control import State
from tests.printer_agent.hosts import opcua_machine
from tests.printer_agent.hosts.octoprint import free_port

READY_S_MAX = 60.0
_CHECKOUT = Path(__file__).parents[3]


@dataclass
class RunningMachine:
    """A machine, the agent's certificate that it trusts, and what happens to it."""

    folder: Path
    port: int
    server: ApplicationCertificate
    agent: ApplicationCertificate
    setup: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    driver: str = "opcua"
    memory_log: Path | None = None

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/machine"

    def access(self, **changes: Any) -> Access:
        login = Login("operator", "correct horse")
        given = {"pinned": self.server.thumbprint, "application": self.agent, "login": login, **changes}
        return Access(**{"url": self.url, "connect_timeout_s": 20.0, "call_timeout_s": 20.0, **given})

    @property
    def disk(self) -> Path:
        return self.folder

    @property
    def api_key(self) -> str:
        return "operator:correct horse"

    @property
    def environment(self) -> dict[str, str]:
        return {"PARTVAULT_PRINTER_HOST_CERTIFICATE": self.server.thumbprint}

    def admit(self, home: Path) -> None:
        self.trust(load_or_make(home))

    def open(self, **changes: Any) -> OpcUaDriver:
        return OpcUaDriver(self.access(**changes))

    def trust(self, *agents: ApplicationCertificate) -> None:
        """Trust these certificates, and no others."""
        trusted = [agent.der.hex() for agent in agents]
        part = self.folder / "machine.part"
        part.write_text(json.dumps({**self.setup, "trusted": trusted}))
        part.replace(self.folder / "machine.json")

    def start(self) -> None:
        """Start the server, and return when it listens."""
        command = [sys.executable, "-m", opcua_machine.__name__, str(self.folder)]
        with (self.folder / "machine.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=_CHECKOUT)
        self.wait_until(self.listens)

    def listens(self) -> bool:
        """Whether the server takes connections; AssertionError where it ended instead."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self.folder / "machine.log").read_text()[-2000:]

    def wait_until(self, what: Callable[[], bool]) -> None:
        """Wait for something the machine does by itself."""
        deadline = time.monotonic() + READY_S_MAX
        while not what():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill the server; what it builds goes on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def break_down(self) -> None:
        """Let the build that runs, or is about to, fail."""
        assert self.process is not None
        self.wait_until(lambda: self.printing() is not None)
        os.kill(self.process.pid, signal.SIGUSR1)

    def behave(self, **ways: Any) -> None:
        """Say how it takes the next orders."""
        (self.folder / "ways.json").write_text(json.dumps(ways))

    def printing(self) -> Path | None:
        """Give the file it builds just now."""
        kept = self.folder / "jobs.json"
        jobs = json.loads(kept.read_text()) if kept.exists() else []
        running = [job["path"] for job in jobs if job["state"] == State.RUNNING]
        return self.folder / "files" / running[0] if running else None

    def outcomes(self, name: str) -> list[str]:
        """What the machine noted of a file, in its order."""
        events = self.folder / "events"
        lines = events.read_text().splitlines() if events.exists() else []
        return [state for state, _, file in (line.partition(" ") for line in lines) if file == name]

    def repair(self) -> None:
        """Do nothing: the machine is ready for another order."""

    def files(self) -> list[Path]:
        return [path for path in sorted(self.folder.rglob("*")) if path.is_file()]


@contextmanager
def running_machine(folder: Path, **setup: Any) -> Iterator[RunningMachine]:
    """Start a machine that trusts the agent of `folder`/agent; stop it at the end."""
    place, home = folder / "machine", folder / "agent"
    place.mkdir(parents=True)
    home.mkdir(mode=0o700)
    server, agent = load_or_make(place), load_or_make(home)
    (place / "server.der").write_bytes(server.der)
    (place / "server.pem").write_bytes(server.key_pem)
    machine = RunningMachine(place, free_port(), server, agent)
    machine.setup = {"port": machine.port, **setup}
    machine.trust(agent)
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()
