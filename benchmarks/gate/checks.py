"""A million facets, five million, and a 3MF: ours against the floor and against the peers, in turn."""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.figures import Better, Figure, announce
from benchmarks.gate import meshes, peers
from benchmarks.gate.contender import Contender, Run
from benchmarks.vault.steady import middle_half

ROUNDS = 5
WARM_UP_ROUNDS = 1
FACETS = 1_000_000
MANY_FACETS = 5_000_000
AGREE = 2e-3
"""How far volumes may differ: admesh sums in single precision."""

Runs = Mapping[str, list[Run]]


def figures() -> Iterator[Figure]:
    """Yield what the check costs, and how often over the peers need as long."""
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        million, many, package = Path(folder, "1m.stl"), Path(folder, "5m.stl"), Path(folder, "1m.3mf")
        meshes.write_stl(million, FACETS)
        meshes.write_stl(many, MANY_FACETS)
        meshes.write_3mf(package, FACETS)
        runs = _rounds(million, many, package)
    _require_agreement(runs)
    yield _ratio("check of 1M facets over read and hash", runs, "check", "floor", 6, "lower")
    yield _time("check of 1M facets", runs, "check", 1000, "ms", 1000)
    yield _ratio("trimesh's checks over ours, 1M facets", runs, "trimesh", "check", 10, "higher")
    for name in ("manifold3d", "pymeshlab", "admesh"):
        if name in runs:
            yield _ratio(f"{name}'s checks over ours, 1M facets", runs, name, "check", None, "higher")
    yield _ratio("5M facets over five times 1M", runs, "many", "check", 1.2, "lower", MANY_FACETS / FACETS)
    yield _time("check of a 1M-facet 3MF", runs, "package", 1, "s", 3)
    yield _time("self-intersections and overlaps, 1M facets", runs, "crossings", 1, "s", 4)
    label = "pymeshlab's self-intersections over ours, 1M facets"
    yield _ratio(label, runs, "pymeshlab crossings", "crossings", 1, "higher")


def _rounds(million: Path, many: Path, package: Path) -> Runs:
    own, other = Path(sys.executable), peers.interpreter()
    table = {
        "floor": (own, "ours", "floor", million),
        "check": (own, "ours", "check", million),
        "many": (own, "ours", "check", many),
        "package": (own, "ours", "check", package),
        "crossings": (own, "ours", "crossings", million),
        "pymeshlab crossings": (other, "peers", "pymeshlab_crossings", million),
        "trimesh": (other, "peers", "trimesh_check", million),
        "manifold3d": (other, "peers", "manifold_check", million),
        "pymeshlab": (other, "peers", "pymeshlab_check", million),
        "admesh": (other, "peers", "admesh_check", million),
    }
    if not peers.has_admesh():
        announce("admesh is not installed (apt install admesh): measured without it")
        del table["admesh"]
    runs: dict[str, list[Run]] = {name: [] for name in table}
    contenders = {name: Contender(*row[:3]) for name, row in table.items()}
    for turn in range(WARM_UP_ROUNDS + ROUNDS):
        announce(f"round {turn + 1} of {WARM_UP_ROUNDS + ROUNDS}")
        shift = turn % len(table)
        for name in [*table][shift:] + [*table][:shift]:
            run = contenders[name].run(table[name][3])
            if turn >= WARM_UP_ROUNDS:
                runs[name].append(run)
    for contender in contenders.values():
        contender.close()
    return runs


def _require_agreement(runs: Runs) -> None:
    """Nobody wins by not doing the work: all say sound, with the same facets, volume and shells."""
    sound, facets, volume, _, shells = runs["check"][0].answer
    assert sound == shells == 1, runs["check"][0].answer
    for name in ("package", "trimesh", "manifold3d", "pymeshlab", "admesh"):
        for run in runs.get(name, []):
            assert [run.answer[place] for place in (0, 1, 4)] == [sound, facets, shells], (name, run.answer)
            assert math.isclose(run.answer[2], volume, rel_tol=AGREE), (name, run.answer)
    for name in ("crossings", "pymeshlab crossings"):
        assert all(run.answer == [0] for run in runs[name]), name


def _seconds(runs: Runs, name: str) -> list[float]:
    return [run.seconds for run in runs[name]]


def _time(label: str, runs: Runs, name: str, scale: float, unit: str, bar: float) -> Figure:
    values = [seconds * scale for seconds in _seconds(runs, name)]
    return Figure(label, statistics.median(values), unit, bar, "lower", middle_half(values))


def _ratio(
    label: str, runs: Runs, over: str, under: str, bar: float | None, better: Better, times: float = 1
) -> Figure:
    pairs = zip(_seconds(runs, over), _seconds(runs, under), strict=True)
    values = [above / (times * below) for above, below in pairs]
    return Figure(label, statistics.median(values), "×", bar, better, middle_half(values))
