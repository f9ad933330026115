"""How much memory a check takes: `python -m benchmarks.gate.memory FUNCTION FILE` prints its own peak."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import ROOT, Figure, announce
from benchmarks.gate import meshes, ours
from benchmarks.gate.checks import FACETS
from benchmarks.vault.memory import peak_kib


def figures() -> Iterator[Figure]:
    """Yield the peak of a check, the interpreter included, and what crossings add to a loaded mesh."""
    announce("peak memory")
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        path = Path(folder, "1m.stl")
        meshes.write_stl(path, FACETS)
        [peak, _] = _peaks("check", path)
        yield Figure("peak memory of a 1M-facet check", peak, "MiB", 200, "lower")
        [peak, before] = _peaks("crossings", path)
        label = "memory that crossings add to a loaded mesh, 1M facets"
        yield Figure(label, peak - before, "MiB", 400, "lower")


def _peaks(function: str, path: Path) -> list[float]:
    """Peak resident memory in MiB of a fresh process after and before the work."""
    command = [sys.executable, "-m", __name__, function, str(path)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    return [float(word) for word in run.stdout.split()]


if __name__ == "__main__":
    work = getattr(ours, sys.argv[1])(Path(sys.argv[2]))
    prepared = peak_kib()
    work()
    print(peak_kib() / 1024, prepared / 1024)
