"""From file to file: a copy loop, the project's two ways, and the peers, in turn within each round."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure, announce
from benchmarks.vault.contender import Contender
from benchmarks.vault.peers import interpreter
from benchmarks.vault.steady import PIECE_BYTES, WARM_UP_ROUNDS, Cost, make, middle_half

ROUNDS = {256: 15, 1024: 7}
"""Rounds that count for each file size in MiB."""

DIRECTIONS = ("encrypt", "decrypt")
BARS = {"copy loop": (0.65, 0.65), "tink": (1.5, 2.5), "aws": (2.2, 1.8), "age": (1.8, 2.4)}
"""The least that the reference's seconds may be of ours, encrypting and decrypting."""

Costs = dict[tuple[str, str], list[Cost]]
"""By contender and direction, a cost for each round."""


def figures() -> Iterator[Figure]:
    """Yield the ratios for every file size."""
    with _contenders() as contenders:
        for mib, rounds in ROUNDS.items():
            with tempfile.TemporaryDirectory(prefix="bench-vault-") as folder:
                costs = _rounds(Path(folder), mib, rounds, contenders)
            _explain(costs, mib)
            yield from _ratios(costs, mib)


@contextmanager
def _contenders() -> Iterator[dict[str, Contender]]:
    announce("preparing Tink, AWS Encryption SDK and age")
    here, theirs = Path(sys.executable), interpreter()
    contenders = {
        "copy loop": Contender(here, "ours", "copy"),
        "ours": Contender(here, "ours", "files"),
        "iterators": Contender(here, "ours", "iterators"),
        **{name: Contender(theirs, "peers", name) for name in ("tink", "aws", "age")},
    }
    try:
        yield contenders
    finally:
        for contender in contenders.values():
            contender.close()


def _rounds(folder: Path, mib: int, rounds: int, contenders: dict[str, Contender]) -> Costs:
    """Let every contender seal one file and open what it sealed, each round beginning with another."""
    plain, sealed, out = (folder / name for name in ("plain", "sealed", "out"))
    make(plain, mib)
    make(sealed, mib + mib // 256, bytes)  # room for every format's headers and tags
    make(out, mib, bytes)
    costs: Costs = {}
    names = list(contenders)
    for turn in range(WARM_UP_ROUNDS + rounds):
        announce(f"{mib} MiB file to file, round {turn + 1} of {WARM_UP_ROUNDS + rounds}")
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            for direction, source, target in zip(DIRECTIONS, (plain, sealed), (sealed, out), strict=True):
                cost = contenders[name].run(direction, source, target)
                if turn >= WARM_UP_ROUNDS:
                    costs.setdefault((name, direction), []).append(cost)
            _require_opened(plain, out)
    return costs


def _require_opened(plain: Path, out: Path) -> None:
    """Compare a few places and spoil them for who comes next: nobody wins by not doing the work."""
    size = plain.stat().st_size
    assert out.stat().st_size == size, out.stat().st_size
    with plain.open("rb") as left, out.open("r+b", buffering=0) as right:
        for at in (0, size // 3, size - PIECE_BYTES):
            found = os.pread(right.fileno(), PIECE_BYTES, at)
            assert found == os.pread(left.fileno(), PIECE_BYTES, at), at
            os.pwrite(right.fileno(), bytes(PIECE_BYTES), at)


def _explain(costs: Costs, mib: int) -> None:
    """Print what each contender spends, in microseconds for each MiB."""
    for (name, direction), runs in costs.items():
        wall, user, system = (
            statistics.median(getattr(run, part) for run in runs) / mib * 1e6
            for part in ("wall", "user", "system")
        )
        announce(f"{direction} {mib} MiB, {name}: {wall:.0f} µs/MiB (user {user:.0f}, system {system:.0f})")


def _ratios(costs: Costs, mib: int) -> Iterator[Figure]:
    for place, direction in enumerate(DIRECTIONS):
        ours = costs["ours", direction]
        for name, bars in BARS.items():
            values = [
                theirs.wall / mine.wall for theirs, mine in zip(costs[name, direction], ours, strict=True)
            ]
            label = f"{direction} {mib} MiB disk to disk / {name}"
            yield _ratio(label, values, bars[place])
        copies, single = costs["copy loop", direction], costs["iterators", direction]
        values = [copy.wall / mine.wall for copy, mine in zip(copies, single, strict=True)]
        yield _ratio(f"{direction} {mib} MiB by iterators / copy loop", values, None)


def _ratio(label: str, values: list[float], bar: float | None) -> Figure:
    return Figure(label, statistics.median(values), "×", bar, "higher", middle_half(values))
