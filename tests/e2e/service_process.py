"""A real `partvault serve` in a process of its own, with a data folder that outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx2
import psutil

READY_TIMEOUT_S = 120.0


class ServiceProcess:
    """Starts, stops and kills the service; every start takes up the same data folder."""

    def __init__(self, data_dir: Path, *, relative: bool = False, **settings: str) -> None:
        """`relative` names the data folder as `make serve` does, relative to the working directory."""
        self.data_dir = data_dir
        self.log = data_dir.with_suffix(".log")
        self.environment = {
            **os.environ,
            **{f"PARTVAULT_{name.upper()}": value for name, value in settings.items()},
            "PARTVAULT_DATA_DIR": data_dir.name if relative else str(data_dir),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def operator_key(self) -> str:
        return (self.data_dir / "operator.key").read_text(encoding="utf-8").strip()

    @property
    def founded(self) -> bool:
        """Whether it was this process that made the operator."""
        return (self.data_dir / "operator.key").exists()

    @property
    def _announcement(self) -> Path:
        return self.data_dir / "service.json"

    def start(self) -> None:
        """Return when the service answers that it is ready."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start the process and return at once."""
        self._announcement.unlink(missing_ok=True)
        self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [Path(sys.executable).with_name("partvault"), "serve", "--port", "0"],
                env=self.environment,
                cwd=self.data_dir.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def await_ready(self) -> None:
        """Return when the launched process answers that it is ready."""
        assert self._process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the service ended at start:\n{self.tail()}")
            if self._announcement.exists() and self._ready(self._announcement):
                return
            time.sleep(0.02)
        raise AssertionError(f"the service was not ready in {READY_TIMEOUT_S} s:\n{self.tail()}")

    def _ready(self, announcement: Path) -> bool:
        try:
            self.url = str(json.loads(announcement.read_text(encoding="utf-8"))["url"]).rstrip("/")
            return httpx2.get(f"{self.url}/readyz", timeout=2, verify=False).status_code == 200
        except (httpx2.TransportError, json.JSONDecodeError):
            return False

    def stop(self) -> None:
        """End it the polite way."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(timeout=20) in {0, -signal.SIGTERM}, self.tail()

    def kill(self) -> None:
        """`kill -9` of the service; its children are on their own."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=20)

    def chain_process(self) -> psutil.Process:
        """The running chain child."""
        children = psutil.Process(self.pid).children(recursive=True)
        (chain,) = [child for child in children if child.name().startswith("anvil")]
        return chain

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:] if self.log.exists() else ""
