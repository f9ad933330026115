"""The embedded chain with many prints: a hundred thousand in the long run, a slice of them in every run.

Prints what it measured (`pytest -s`): how long a start takes by replay and by snapshot, the memory of the
chain process, the size on disk, and a single print's latency with an empty and with a full ledger.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.anvil import resident_bytes
from ledger.embedded import EmbeddedChain, last_start
from ledger.snapshot import Shelf
from ledger.snapshot_taker import SnapshotPolicy
from ledger.web3_chain import Web3Chain
from tests.ledger.stage import ANVIL, RELAY, Stage, embedded_stage, open_engine

LICENCES = 100
SINGLES = 40
LONG_S = 120.0


def confirmed(stage: Stage, ids: list[str]) -> None:
    for operation_id in ids:
        assert stage.runtime.wait(operation_id, LONG_S).state == "confirmed"


def latency_ms(stage: Stage, licence: Any, first: int) -> float:
    """Return the median time of one print at a time, in milliseconds."""
    times = []
    for sequence in range(first, first + SINGLES):
        began = time.perf_counter()
        confirmed(stage, stage.append(stage.cast.record(licence, sequence)))
        times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 1)


def play(folder: Path, prints: int) -> dict[str, Any]:
    """Record prints of a hundred licences in groups, and measure single ones before and after."""
    each = prints // LICENCES
    with embedded_stage(folder) as stage:
        chain = stage.runtime._embedded
        assert chain is not None
        licences = [stage.cast.licence(prints=each, number=number) for number in range(LICENCES)]
        alone = stage.cast.licence(prints=2 * SINGLES, number=LICENCES)
        confirmed(stage, stage.append(stage.cast.publish(), stage.cast.enrol()))
        confirmed(stage, stage.append(*(stage.cast.grant(licence) for licence in (alone, *licences))))
        before = latency_ms(stage, alone, 1)
        began = time.monotonic()
        for sequence in range(1, each + 1):
            confirmed(stage, stage.append(*(stage.cast.record(licence, sequence) for licence in licences)))
        rate = prints / (time.monotonic() - began)
        assert all(stage.used(licence) == each for licence in licences)
        return {
            "prints_a_second": round(rate),
            "print_ms_first": before,
            "print_ms_last": latency_ms(stage, alone, SINGLES + 1),
            "chain_mib_live": (resident_bytes(chain.pid) or 0) >> 20,
        }


def start(folder: Path, policy: SnapshotPolicy | None) -> dict[str, Any]:
    """Start and stop the chain; return how long each took, by what, and the memory of its process."""
    engine = open_engine(folder / "ledger.sqlite")
    chain = EmbeddedChain(folder / "chain", engine, RELAY, ANVIL, snapshots=policy)
    chain.start()
    memory, head = resident_bytes(chain.pid) or 0, Web3Chain.http(chain.rpc_url).head()
    began = time.monotonic()
    chain.stop()
    engine.dispose()
    noted = last_start(folder / "chain")
    assert noted is not None
    stopped = round(time.monotonic() - began, 2)
    return {**noted, "mib": memory >> 20, "stop_s": stopped, "head": head.hash.hex()}


class TestScale:
    @pytest.mark.parametrize("prints", [500, pytest.param(100_000, marks=pytest.mark.slow)])
    def test_starts_by_snapshot_as_by_replay(self, tmp_path: Path, prints: int) -> None:
        figures: dict[str, Any] = {"prints": prints, **play(tmp_path, prints)}
        replayed = start(tmp_path, None)
        taken = start(tmp_path, SnapshotPolicy(weight_max=1 << 30, stop_weight=1))
        quick = start(tmp_path, SnapshotPolicy(weight_max=1 << 30, stop_weight=1 << 30))
        (newest, *_) = Shelf(tmp_path / "chain" / "snapshots").blocks()
        assert (replayed["snapshot"], quick["snapshot"]) == (None, newest)
        assert replayed["head"] == taken["head"] == quick["head"]
        snapshots = sum(path.stat().st_size for path in (tmp_path / "chain" / "snapshots").iterdir())
        database = (tmp_path / "ledger.sqlite").stat().st_size
        figures |= {"replay": replayed, "taking": taken, "quick": quick}
        figures |= {"snapshots_mib": snapshots >> 20, "database_mib": database >> 20}
        sys.stdout.write("\n" + json.dumps(figures, indent=2) + "\n")
