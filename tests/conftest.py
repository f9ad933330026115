"""What every test shares: loopback only, and the corpus where it is present."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import eth_account  # noqa: F401  # first, because it raises the recursion limit
import pytest
from hypothesis import settings

sys.setrecursionlimit(1000)  # as the product has it: ledger/web3_chain.py

settings.register_profile("steady", deadline=None)  # a busy machine is not a failure
settings.load_profile("steady")

_CORPUS = Path(os.environ.get("PARTVAULT_CORPUS", Path(__file__).parents[2] / "shared" / "corpus"))


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection of this process that leaves the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0]) if isinstance(address, tuple) else str(address)
            assert host in {"127.0.0.1", "::1", "localhost"}, f"a test reached for {host}"
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


_FOUND = "found"


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say in the summary of the run, in whatever process, what a test that passes has found."""
    return lambda line: record_property(_FOUND, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write down what was found."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    for report in (report for report in reports if getattr(report, "when", None) == "call"):
        for line in (value for name, value in report.user_properties if name == _FOUND):
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[0]}: {line}")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real and hostile meshes; tests that need it are skipped where it is absent."""
    if not _CORPUS.is_dir():
        pytest.skip(f"no mesh corpus at {_CORPUS}; set PARTVAULT_CORPUS")
    return _CORPUS
