"""Processes that are there at once: forked, one for each line read, from an interpreter that is warm.

Each has its own memory, and a death is its alone; only the loading of modules is shared.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from mesh_tools import confine

ROOT = Path(__file__).parents[2]
_END_S = 30.0


class Forks:
    """The test's end: asks for processes and hears what they say. Use it as a context manager."""

    def __init__(
        self, module: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """`module` is run as a program that calls `fork_for_each_line`."""
        self._log = log
        with log.open("ab") as errors:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(_END_S)
        self._parent.stdout.close()

    def ask(self, *words: Any) -> dict[str, Any]:
        """Have a process made for these words; gives the first thing said."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(words) + "\n")
        self._parent.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Give the next thing said by a process, or by what makes them."""
        assert self._parent.stdout is not None
        line = self._parent.stdout.readline()
        assert line, self._log.read_text(encoding="utf-8", errors="replace")[-4000:]
        return dict(json.loads(line))


def tell(**words: Any) -> None:
    """Say something to the test, as a line of JSON on standard output."""
    with os.fdopen(os.dup(1), "w") as out:
        out.write(json.dumps(words) + "\n")


def fork_for_each_line(live: Callable[..., None], *, beside: bool = False) -> None:
    """Have `live` done in a fork for each line, with its words.

    `beside` says the fork's pid and does not wait for its end.
    """
    if beside:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries them
    for line in sys.stdin:
        words = json.loads(line)
        pid = os.fork()
        if pid == 0:
            confine.die_with_parent()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            try:
                live(*words)
            except Exception:  # noqa: BLE001 - it is written down whole, and ends this fork alone
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if beside:
            tell(pid=pid)
            continue
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
            raise RuntimeError("a process failed; what it said stands above")
