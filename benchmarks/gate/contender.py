"""A contender's process, kept for all rounds, so that neither its start nor its imports are timed.

It runs `python -m benchmarks.gate.contender MODULE FUNCTION`, which imports nothing else of the project. The
function takes a path, prepares what is not to be timed, and returns the work: a callable that answers a list
of numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.figures import ROOT
from benchmarks.vault.contender import KEEP_MEMORY
from benchmarks.vault.steady import timed


@dataclass(frozen=True)
class Run:
    """How long the work took on the clock, and what it answered."""

    seconds: float
    answer: list[float]


class Contender:
    """One function of a path, in a process of its own."""

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

    def run(self, path: Path) -> Run:
        """Return the cost and the answer of one run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return Run(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(module: str, function: str) -> None:
    """Do the work for each path on standard input."""
    prepare = getattr(import_module(f"benchmarks.gate.{module}"), function)
    for line in sys.stdin:
        work, answers = prepare(Path(line.rstrip("\n"))), []
        cost = timed(lambda: answers.append(work()))  # noqa: B023
        print(json.dumps({"seconds": cost.wall, "answer": answers[0]}), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
