"""`kill -9` of the relay, in a process of its own, at every I/O of one print's life on a network.

Nobody chose the points: the interpreter lists them (`tests.faults.strikes`). `test_ledger_kills` dies between
any two crossings of a port; here it is every call that leaves the process. Whatever the moment, the same
client's retry in the next process completes, and contract and index count the print once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.ledger_life import Crossings, Life, remote_life
from tests.faults.strikes import by_kind, died, spread
from tests.faults.struck_relay import StruckRelay, ahead_s
from tests.ledger.stage import Network

MISSED_PERCENT_MAX = 20


@dataclass
class Bench:
    """One licence on a network; each round is a print of it."""

    folder: Path
    network: Network
    relay: StruckRelay
    sequence: int = 0

    def life(self, ahead: float) -> AbstractContextManager[Life]:
        """Relay and indexer in this process."""
        where = self.network.node.rpc_url, self.network.contract
        return remote_life(self.folder, Crossings(), *where, ahead)

    def recorded(self) -> list[str]:
        """Live a print without harm; gives the points it passed."""
        self.sequence += 1
        return list(self.relay.print(self.sequence, None)["passed"])

    def die_at(self, point: str) -> bool:
        """Have the relay die there, and the same print go on in the next process; tells whether it met it."""
        self.sequence += 1
        met = "struck" in self.relay.print(self.sequence, point)
        with self.life(ahead_s(self.sequence, retry=True)) as life:
            assert life.print(self.sequence).state == "confirmed", f"died at {point}"
            assert (life.used(), life.indexed()) == (self.sequence, self.sequence), f"died at {point}"
        return met


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("relay")
    (folder / "node").mkdir()
    network = Network(folder / "node")
    with StruckRelay(folder, network) as relay:
        made = Bench(folder, network, relay)
        with made.life(0.0) as life:
            life.open_licence()
        yield made
    network.node.kill()


@pytest.fixture(scope="module")
def points(bench: Bench) -> list[str]:
    """Every point that one of two prints passed, in order."""
    return list(dict.fromkeys([*bench.recorded(), *bench.recorded()]))


class TestRelay:
    @pytest.mark.parametrize("deaths", [8, pytest.param(1_000_000, marks=pytest.mark.slow)])
    def test_counts_once_wherever_its_process_dies(
        self, bench: Bench, points: list[str], deaths: int, say: Callable[[str], None]
    ) -> None:
        assert {"database", "socket"} <= {point.split("|")[1] for point in points}
        chosen = spread(points, deaths)
        missed = [point for point in chosen if not bench.die_at(point)]
        say(f"a print's relay has {len(points)} points: {by_kind(points)}; {died(chosen, missed)}")
        assert 100 * len(missed) <= MISSED_PERCENT_MAX * len(chosen) + 100
