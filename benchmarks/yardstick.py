"""How fast the machine is at the moment: a fixed computation, alone and on every processor at once.

Shared and virtual machines change their speed from minute to minute, and their processors may be halves of
one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure

_LOOP = """
import time
for _ in range(5):
    began = time.perf_counter()
    sum(number * number % 7 for number in range(1_000_000))
    print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Speed:
    """Seconds that a fixed computation takes on one processor, and on each while all of them compute."""

    alone_s: float
    together_s: float


def speed() -> Speed:
    """Measure; a second or two."""
    return Speed(_looped(1), _looped(os.cpu_count() or 1))


def told(speeds: Sequence[Speed]) -> Iterator[Figure]:
    """Tell of speeds measured before and after a run."""
    alone = [1000 * each.alone_s for each in speeds]
    ratio = statistics.median(each.together_s / each.alone_s for each in speeds)
    spread = (min(alone), max(alone))
    yield Figure(
        "machine: a fixed loop on one processor", statistics.median(alone), "ms", None, "lower", spread
    )
    yield Figure("machine: the same on every processor at once, over one", ratio, "×", None, "lower")


def _looped(processes: int) -> float:
    command = [sys.executable, "-c", _LOOP]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    answers = [process.communicate()[0] for process in running]
    return statistics.median(float(line) for answer in answers for line in answer.split())
