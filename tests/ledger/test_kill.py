"""Kill -9 of the process, and of the chain with it, between any two steps of append → sign → store → send →
mined → indexed.

Whatever the moment, the next start ends in the same state: the operation is recorded once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ledger.stage import Stage, embedded_stage

# Appends prints, each its own batch, and dies at the given moment: around a question to the chain or before a
# commit.
VICTIM = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from ledger.relay import RelayLimits
from ledger.runtime import embedded
from tests.ledger.actors import Cast
from tests.ledger.stage import ANVIL, RELAY, FaultyChain, Stage, open_engine
folder, moment, name, count, prints = Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]), int(sys.argv[5])
left = {"count": count, "armed": False}

def strike(where, what):
    if left["armed"] and (where, what) == (moment, name):
        left["count"] -= 1
        if left["count"] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

engine = open_engine(folder / "ledger.sqlite")
event.listen(engine, "commit", lambda connection: strike("before", "commit"))
limits = RelayLimits(group_operations_max=1)
runtime = embedded(engine, folder / "chain", RELAY, ANVIL, limits=limits)
connect = runtime._connect
def faulty():
    chain, identity = connect()
    before, after = (lambda what: strike("before", what)), (lambda what: strike("after", what))
    return FaultyChain(chain, before, after), identity
runtime._connect = faulty
runtime.start()
stage = Stage(engine, runtime, Cast(runtime.domain))
left["armed"] = True
licence = stage.cast.licence(prints=4)
stage.settle(*(stage.cast.record(licence, number) for number in range(1, prints + 1)))
print("survived")
"""


def kill_at(folder: Path, moment: str, name: str, count: int, prints: int = 1) -> int:
    """Run the victim; return how it ended."""
    command = [sys.executable, "-c", VICTIM, str(folder), moment, name, str(count), str(prints)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (-signal.SIGKILL, 0), done.stderr
    return done.returncode


def recovered(folder: Path, prints: int = 1) -> None:
    """Start again, retry as the client would, and check that each counts once."""
    with embedded_stage(folder) as stage:
        licence = stage.cast.licence(prints=4)
        found = stage.settle(*(stage.cast.record(licence, number) for number in range(1, prints + 1)))
        assert {status.state for status in found} == {"confirmed"}
        assert stage.used(licence) == prints
        assert stage.runtime.health().pending == 0
        assert _count(stage) == prints


def _count(stage: Stage) -> int:
    with stage.engine.connect() as connection:
        query = "SELECT count(*) FROM ledger_events WHERE name = 'PrintRecorded'"
        return int(connection.exec_driver_sql(query).scalar_one())


class TestKill:
    @pytest.mark.parametrize(
        ("moment", "name", "count"),
        [
            ("before", "commit", 0),  # the append itself is lost; the retry appends it
            ("before", "simulate", 0),  # appended
            ("before", "commit", 1),  # signed, not stored
            ("before", "send", 0),  # stored, not sent
            ("after", "send", 0),  # mined, nobody knows
            ("after", "logs", 0),  # read, not indexed
            ("before", "commit", 2),  # index written, not committed
        ],
    )
    def test_counts_once_whenever_it_dies(self, tmp_path: Path, moment: str, name: str, count: int) -> None:
        with embedded_stage(tmp_path) as stage:
            stage.open_licence(prints=4)
        assert kill_at(tmp_path, moment, name, count) == -signal.SIGKILL
        recovered(tmp_path)

    @pytest.mark.parametrize(
        ("moment", "name", "count"),
        [
            ("before", "send", 1),  # one mined, one being sent, perhaps one ready behind it
            ("after", "send", 1),
            ("before", "simulate", 2),  # while the one before is being sent
            ("before", "commit", 3),
        ],
    )
    def test_counts_each_once_with_batches_behind_each_other(
        self, tmp_path: Path, moment: str, name: str, count: int
    ) -> None:
        with embedded_stage(tmp_path) as stage:
            stage.open_licence(prints=4)
        assert kill_at(tmp_path, moment, name, count, prints=4) == -signal.SIGKILL
        recovered(tmp_path, prints=4)
