"""Relay and indexer of a network in a process of their own, which dies where it is told.

As a program (`python -m tests.faults.struck_relay FOLDER RPC_URL CONTRACT`) it lives one print in a fork of
its own for every line `[sequence, point]`: append, sign, store, send, mined, indexed. It says how that ended:
`{"struck": point}` or `{"passed": [points]}`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.forks import Forks, fork_for_each_line, tell
from tests.faults.ledger_life import LEASE_S, Crossings, remote_life
from tests.faults.strikes import Strikes
from tests.ledger.stage import Network


class StruckRelay(Forks):
    """Relays of one database; each `print` is a process of its own."""

    def __init__(self, folder: Path, network: Network) -> None:
        where = (str(folder), network.node.rpc_url, network.contract)
        super().__init__("tests.faults.struck_relay", *where, log=folder / "relay.log")

    def print(self, sequence: int, due: str | None) -> dict[str, Any]:
        """Live the print of that number, and die at a point; gives what was said last."""
        return self.ask(sequence, due)


def ahead_s(sequence: int, *, retry: bool) -> float:
    """How far a life's clock is ahead: each begins when the lease of the one before is over."""
    return (2 * sequence + retry) * LEASE_S


def live(folder: Path, rpc_url: str, contract: str, sequence: int, due: str | None) -> None:
    """Live one print."""
    strikes = Strikes(lambda point: tell(struck=point))
    strikes.install()
    with remote_life(folder, Crossings(), rpc_url, contract, ahead_s(sequence, retry=False)) as life:
        strikes.arm(due)
        life.print(sequence)
        passed = strikes.disarm()
    tell(passed=passed)


if __name__ == "__main__":
    fork_for_each_line(partial(live, Path(sys.argv[1]), *sys.argv[2:]))
