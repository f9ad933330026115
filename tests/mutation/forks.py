"""Judges mutants by tests, each in a forked process that loads the mutant in place of its module.

Runs as a process of its own, in a copy of the tree. Reads a JSON object: `tasks`, each `[path, source,
tests]`, of which the first `sound` have no defect and set the time that the others get. Writes a line for
each task: its number, and whether the tests noticed. Files `said-NUMBER` keep what the tests of sound
modules said. Libraries are loaded once, before the first fork; the mutated package never is.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

JOBS = 2
WALL_SECONDS_MAX = 300
SOUND_CPU_SECONDS_MAX = 240
CPU_SECONDS_SPARE = 5
CPU_RATIO_MAX = 3
"""A mutant that waits, or works, for much longer than the sound module counts as noticed."""

PRELOADED = (
    "boto3",
    "cryptography.cobblestone",
    "cryptography.hazmat.primitives.hpke",
    "eth_account",
    "httpx2",
    "hypothesis.strategies",
    "hypothesis.extra.pytestplugin",
)
UNUSED = ("cacheprovider", "randomly", "anyio", "cov", "xdist")
OPTIONS = ["-x", "-q", "-m", "not slow", "--hypothesis-seed=0", *(f"-pno:{plugin}" for plugin in UNUSED)]
QUIET = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # about what is preloaded


class MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives one module another source."""

    def __init__(self, path: str, source: str) -> None:
        self._name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self._path = path
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(Path(self._path).absolute()))

    def is_package(self, fullname: str) -> bool:
        return self._path.endswith("/__init__.py")

    def get_source(self, fullname: str) -> str:
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self._path, "exec", dont_inherit=True)


def judge(path: str, source: str, tests: list[str], said: str, cpu_seconds: int) -> None:
    """End this process with 0 where every test passes, else with something else."""
    signal.alarm(WALL_SECONDS_MAX)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    sys.meta_path.insert(0, MutantFinder(path, source))
    noticed = 1
    with contextlib.suppress(BaseException):
        noticed = int(pytest.main([*OPTIONS, *QUIET, *tests]))
    sys.stdout.flush()
    os._exit(noticed)


class Court:
    """Keeps up to `JOBS` forks busy; remembers the longest a judgement took."""

    def __init__(self, tasks: list[Any]) -> None:
        self._tasks = tasks
        self._running: dict[int, int] = {}
        self.cpu_seconds = 0.0

    def judge(self, numbers: range, cpu_seconds: int, *, keep: bool) -> None:
        """Judge these tasks and write the verdicts."""
        for number in numbers:
            if len(self._running) == JOBS:
                self._await_one()
            child = os.fork()
            if not child:
                judge(*self._tasks[number], f"said-{number}" if keep else os.devnull, cpu_seconds)
            self._running[child] = number
        while self._running:
            self._await_one()

    def _await_one(self) -> None:
        child, status, used = os.wait4(-1, 0)
        self.cpu_seconds = max(self.cpu_seconds, used.ru_utime + used.ru_stime)
        noticed = os.waitstatus_to_exitcode(status) != 0
        sys.stdout.write(json.dumps([self._running.pop(child), noticed]) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Judge the sound modules first, then the mutants."""
    sys.path.insert(0, str(Path.cwd()))
    for name in PRELOADED:
        importlib.import_module(name)
    given = json.load(sys.stdin)
    tasks, sound = given["tasks"], given["sound"]
    court = Court(tasks)
    court.judge(range(sound), SOUND_CPU_SECONDS_MAX, keep=True)
    limit = CPU_SECONDS_SPARE + int(CPU_RATIO_MAX * court.cpu_seconds)
    court.judge(range(sound, len(tasks)), limit, keep=False)


if __name__ == "__main__":
    main()
