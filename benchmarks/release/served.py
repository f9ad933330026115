"""A real `partvault serve` over a data folder, and the processor time it and its chain have used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

READY_S = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Served:
    """A service that is ready."""

    url: str
    pid: int

    def cpu_s(self) -> tuple[float, float]:
        """Give the seconds of processor time that the service has used, and its embedded chain."""
        children = (_stat(child) for child in _children(self.pid))
        return _used(_stat(self.pid)), sum(_used(stat) for stat in children if "anvil" in stat[0])


@contextmanager
def serving(data_dir: Path) -> Iterator[Served]:
    """Run the service while the block lasts; its log lies beside the data."""
    environment = {**os.environ, "PARTVAULT_DATA_DIR": str(data_dir)}
    command: list[str | Path] = [Path(sys.executable).with_name("partvault"), "serve", "--port", "0"]
    with (data_dir.parent / "service.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield Served(_ready(process, data_dir), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(READY_S)


def _ready(process: subprocess.Popen[bytes], data_dir: Path) -> str:
    announcement, until = data_dir / "service.json", time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            url = str(json.loads(announcement.read_text(encoding="utf-8"))["url"])
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return url
        except (OSError, ValueError, urllib.error.URLError):
            time.sleep(0.05)
    raise RuntimeError(f"the service did not become ready; see {data_dir.parent / 'service.log'}")


def _stat(pid: int) -> tuple[str, list[str]]:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    name, _, rest = text.partition("(")[2].rpartition(") ")
    return name, rest.split()


def _used(stat: tuple[str, list[str]]) -> float:
    return sum(int(stat[1][place]) for place in (11, 12)) / _TICKS


def _children(pid: int) -> list[int]:
    """Give the direct children; each thread may have started some."""
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in listed for child in each.read_text(encoding="utf-8").split()]
