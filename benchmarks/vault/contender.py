"""A contender's process, kept for all rounds, so that neither its start nor its imports are timed.

It runs `python -m benchmarks.vault.contender MODULE FUNCTION`, which imports nothing else of the project.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.vault.steady import Cost, timed

ROOT = Path(__file__).parents[2]
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}
"""Lets glibc keep what a contender frees, as a long-lived program would want: no page is new to it twice."""


class Contender:
    """One function from file to file, in a process of its own."""

    def __init__(self, python: Path, module: str, function: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [python, "-m", __name__, module, function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment | KEEP_MEMORY,
        )

    def run(self, direction: str, source: Path, target: Path) -> Cost:
        """Return the cost of one run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{direction}\t{source}\t{target}\n")
        self._process.stdin.flush()
        return Cost(*map(float, self._process.stdout.readline().split()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(module: str, function: str) -> None:
    """Do what the lines on standard input ask, and answer each with its cost."""
    action = getattr(import_module(f"benchmarks.vault.{module}"), function)
    for line in sys.stdin:
        direction, *paths = line.rstrip("\n").split("\t")
        source, target = map(Path, paths)
        cost = timed(lambda: action(direction, source, target), source, target)  # noqa: B023
        print(cost.wall, cost.user, cost.system, flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
