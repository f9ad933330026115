"""What callers see who append an operation, each in a durable transaction of its own, and wait for it."""

from __future__ import annotations

import gc
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, announce
from benchmarks.ledger.parties import Parties
from benchmarks.ledger.stage import PATIENCE_S, Stage, embedded_stage, network_stage
from ledger.operations import RecordPrint

CALLERS = 64
ROUNDS = 5
EACH = 50
"""Operations of one caller in one round."""
ALONE = 100
BLOCK_S = 1
UNDER_WAY = 128
"""Operations that one caller appends, one by one, before it waits for them, where blocks take their time."""
LICENCES = 100


@dataclass(frozen=True)
class Run:
    """One round: operations confirmed per second, and the seconds each caller waited for each of them."""

    per_second: float
    waits_s: Sequence[float]


def figures() -> Iterator[Figure]:
    """Yield the figures with the embedded chain, then with a network of one block a second."""
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder, embedded_stage(Path(folder)) as stage:
        runs, alone = _embedded(stage)
    rates = [run.per_second for run in runs]
    waits = [wait for run in runs for wait in run.waits_s]
    yield Figure(f"operations per second, {CALLERS} callers", statistics.median(rates), "1/s", 1000, "higher",
                 (min(rates), max(rates)))  # fmt: skip
    yield Figure(f"wait of {CALLERS} callers, p50", _percentile(waits, 50) * 1000, "ms", None, "lower")
    yield Figure(f"wait of {CALLERS} callers, p99", _percentile(waits, 99) * 1000, "ms", 150, "lower")
    yield Figure("wait of one caller, p50", _percentile(alone, 50) * 1000, "ms", 12, "lower")
    yield Figure("wait of one caller, p99", _percentile(alone, 99) * 1000, "ms", None, "lower")
    announce(f"{CALLERS} callers on a network of one block in {BLOCK_S} s")
    with (
        tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder,
        network_stage(Path(folder), block_s=BLOCK_S) as stage,
    ):
        run = _network(stage)
    yield Figure(f"operations per second, 1 s blocks, {CALLERS} callers", run.per_second, "1/s", 800,
                 "higher")  # fmt: skip


def _embedded(stage: Stage) -> tuple[list[Run], Sequence[float]]:
    prints = _opened(stage, ROUNDS * CALLERS * EACH + EACH * CALLERS + ALONE)
    announce(f"{CALLERS} callers, warming up")
    _run(stage, _take(prints, EACH * CALLERS), CALLERS)
    runs = []
    for turn in range(ROUNDS):
        announce(f"{CALLERS} callers, round {turn + 1} of {ROUNDS}")
        runs.append(_run(stage, _take(prints, EACH * CALLERS), CALLERS))
    announce("one caller")
    return runs, _run(stage, _take(prints, ALONE), 1).waits_s


def _network(stage: Stage) -> Run:
    prints = _opened(stage, CALLERS * UNDER_WAY)[: CALLERS * UNDER_WAY]
    return _run(stage, prints, CALLERS, under_way=UNDER_WAY)


def _opened(stage: Stage, wanted: int) -> list[RecordPrint]:
    """Put revision, printer and licences on the chain; return so many signed prints."""
    each = -(-wanted // LICENCES)
    parties = Parties(stage.runtime.domain, licences=LICENCES, prints=each)
    stage.settle(parties.opening())
    announce(f"signing {each * LICENCES} prints")
    prints = list(parties.prints(range(1, each + 1)))
    gc.freeze()  # clients hold these, not the service: its collector need not go through them
    return prints


def _take(prints: list[RecordPrint], count: int) -> list[RecordPrint]:
    taken = prints[:count]
    del prints[:count]
    return taken


def _run(stage: Stage, prints: Sequence[RecordPrint], callers: int, *, under_way: int = 1) -> Run:
    """Let each caller append its share, so many before it waits; RuntimeError if one is not confirmed."""
    waits: list[float] = []
    failed: list[str] = []
    start = threading.Barrier(callers + 1)

    def call(share: Sequence[RecordPrint]) -> None:
        start.wait()
        for first in range(0, len(share), under_way):
            appended = []
            for operation in share[first : first + under_way]:
                began = time.perf_counter()
                appended += [(operation_id, began) for operation_id in stage.append(operation)]
            for operation_id, began in appended:
                found = stage.runtime.wait(operation_id, PATIENCE_S)
                waits.append(time.perf_counter() - began)
                if found.state != "confirmed":
                    failed.append(f"{operation_id} is {found.state}: {found.reason}")

    shares = [prints[place::callers] for place in range(callers)]
    threads = [threading.Thread(target=call, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    if failed or len(waits) != len(prints):
        raise RuntimeError(f"{len(prints) - len(waits)} callers failed; {failed[:3]}")
    return Run(len(prints) / elapsed, waits)


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
