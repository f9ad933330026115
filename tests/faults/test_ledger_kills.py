"""`kill -9` of the relay's process, of the service with its chain, and of the chain alone, at every crossing
of a port in one print's life: append → sign → store → send → mined → indexed.

The crossings are counted, not chosen: each run dies at the next one, until a run has none left to die at.
Whatever the moment, the same client retry completes, and contract and index count the print once.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger.chain import ChainError
from tests.faults.ledger_life import LEASE_S, TRAIL, Crossings, Life, embedded_life, remote_life
from tests.ledger.stage import Network

ROOT = Path(__file__).parents[2]
MARKED = {
    *("before commit", "after commit"),  # append, sign and store, index
    *("before simulate", "after simulate"),
    *("before send", "after send"),
    *("before logs", "after logs"),
    *("before head", "after head"),
}
STRIDES = [9, pytest.param(1, marks=pytest.mark.slow)]


def victim(folder: Path, sequence: int, due: int, *network: str) -> list[str] | None:
    """Live a print in a process of its own that dies at a crossing; give the crossings up to there, None if
    it survived.
    """
    command = [sys.executable, "-m", "tests.faults.ledger_life", str(folder), str(sequence), str(due)]
    done = subprocess.run(
        [*command, *network], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    return (folder / TRAIL).read_text().splitlines() if done.returncode else None


def retried(life: Life, sequence: int) -> None:
    """Retry as the same client would, and check that the print counts once."""
    assert life.print(sequence).state == "confirmed"
    assert life.used() == sequence
    assert life.indexed() == sequence


def every(stride: int, die: Callable[[int, int], list[str] | None]) -> list[str]:
    """Die at every crossing (or every so many), each in the next print's life; give the longest trail."""
    longest: list[str] = []
    for sequence, due in enumerate(itertools.count(0, stride), start=1):
        trail = die(sequence, due)
        if trail is None:
            return longest
        assert len(trail) == due + 1
        longest = trail
    raise AssertionError


class TestService:
    @pytest.mark.parametrize("stride", STRIDES)
    def test_counts_once_wherever_it_dies_with_its_chain(self, tmp_path: Path, stride: int) -> None:
        with embedded_life(tmp_path, Crossings()) as (life, _):
            life.open_licence()

        def die(sequence: int, due: int) -> list[str] | None:
            trail = victim(tmp_path, sequence, due)
            with embedded_life(tmp_path, Crossings()) as (life, _):
                retried(life, sequence)
            return trail

        trail = every(stride, die)
        assert stride > 1 or set(trail) >= MARKED


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "node"
    folder.mkdir()
    node = Network(folder)
    yield node
    node.node.kill()


class TestRelay:
    @pytest.mark.parametrize("stride", STRIDES)
    def test_counts_once_wherever_its_process_dies(
        self, network: Network, tmp_path: Path, stride: int
    ) -> None:
        where = (network.node.rpc_url, network.contract)
        with remote_life(tmp_path, Crossings(), *where, 0.0) as life:
            life.open_licence()

        def die(sequence: int, due: int) -> list[str] | None:
            trail = victim(tmp_path, sequence, due, *where)
            with remote_life(tmp_path, Crossings(), *where, (2 * sequence + 1) * LEASE_S) as life:
                retried(life, sequence)
            return trail

        trail = every(stride, die)
        assert stride > 1 or set(trail) >= MARKED | {"before receipts", "after receipts"}


class TestChain:
    @pytest.mark.parametrize("stride", STRIDES)
    def test_counts_once_wherever_the_chain_dies(self, tmp_path: Path, stride: int) -> None:
        """The service lives on: the same relay and indexer go on when the chain is back."""
        crossings = Crossings()
        with embedded_life(tmp_path, crossings) as (life, chain):
            life.open_licence()

            def die(sequence: int, due: int) -> list[str] | None:
                restarts = chain.restarts
                crossings.due, crossings.passed = due, []
                crossings.strike = lambda: os.kill(chain.pid, signal.SIGKILL)
                crossings.armed = True
                retried_in_time(life, sequence)
                crossings.armed = False
                died = len(crossings.passed) > due
                assert chain.restarts - restarts in ((1,) if died else (0,))
                return crossings.passed[: due + 1] if died else None

            trail = every(stride, die)
        assert stride > 1 or set(trail) >= MARKED


def retried_in_time(life: Life, sequence: int) -> None:
    """Retry, asking again while the chain is restored."""
    for _ in range(1000):
        try:
            return retried(life, sequence)
        except ChainError:
            continue
    raise AssertionError("the chain never came back")
