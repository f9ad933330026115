"""The steady state in which every contender is timed; imports nothing but the standard library."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

PIECE_BYTES = 1024 * 1024
WARM_UP_ROUNDS = 2


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds on the clock, and of all its threads in user and in system mode."""

    wall: float
    user: float
    system: float


def timed(action: Callable[[], object], *written: Path) -> Cost:
    """Run `action` with `written` on the disk, so that no write-back competes with it."""
    for path in written:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    action()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    return Cost(wall, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)


def used_by_others() -> float:
    """Return the processor seconds since boot that went neither to this process nor to its ended children."""
    with Path("/proc/stat").open(encoding="ascii") as file:
        ticks = sum(map(int, file.readline().split()[1:4]))
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return ticks / os.sysconf("SC_CLK_TCK") - sum(use.ru_utime + use.ru_stime for use in uses)


@contextmanager
def overwritten(target: Path) -> Iterator[FileIO]:
    """Open a file unbuffered, to be overwritten in place and cut where writing ended."""
    with target.open("r+b", buffering=0) as file:
        yield file
        file.truncate()


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the file in pieces of 1 MiB."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def overwrite(target: Path, source: Iterable[bytes | bytearray | memoryview]) -> None:
    """Write the pieces over what is in the file."""
    with overwritten(target) as file:
        for piece in source:
            file.write(piece)


def make(path: Path, mib: int, fill: Callable[[int], bytes] = os.urandom) -> None:
    """Make a file of so many MiB, in the page cache and on the disk."""
    path.touch()
    overwrite(path, (fill(PIECE_BYTES) for _ in range(mib)))
    with path.open("rb") as file:
        os.fsync(file.fileno())


def middle_half(values: list[float]) -> tuple[float, float]:
    """Return the lower and the upper quartile."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
