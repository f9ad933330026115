"""A service that dies where it is told.

As a program (`python -m tests.faults.struck_service DATA_DIR PLAN`) it serves in a fork for every line, which
takes SIGUSR1 for the order to count its points and to die at the one that PLAN names, SIGUSR2 to stop that.
It says `{"armed"}`, then `{"struck": point}` or `{"passed": [points]}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from app.cli.serve import serve
from app.cli.start import service_settings
from tests.e2e.service_process import ServiceProcess
from tests.faults.forks import Forks, fork_for_each_line, tell
from tests.faults.strikes import Strikes

IDLE = frozenset({"_sweeps", "_inspections", "partvault-snapshots", "partvault-anvil"})
"""Threads of the service that no request passes through; `_sweeps` would conclude what no retry comes for."""
_PLAN = "strike.json"
_END_S = 30.0


class StruckService(ServiceProcess):
    """A service whose next request may be its last."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        super().__init__(data_dir, **settings)
        self._plan = data_dir.with_name(_PLAN)
        where = (str(data_dir), str(self._plan))
        self._forks = Forks("tests.faults.struck_service", *where, log=self.log, environment=self.environment)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._forks.__exit__(*exception)

    def arm(self, point: str | None) -> None:
        """Have the service count its points from now on, and die at one of them."""
        self._plan.write_text(json.dumps(point))
        os.kill(self.pid, signal.SIGUSR1)
        assert "armed" in self._forks.hear()

    def rest(self) -> list[str] | None:
        """Have it stop counting; gives the points passed, None where it met its own and is dead."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)
        told = self._forks.hear()
        if "passed" in told:
            return list(told["passed"])
        assert "struck" in told
        assert self._process is not None
        self._process.wait(_END_S)
        return None

    def _spawn(self) -> Any:
        return _Forked(self._forks.ask()["pid"])


class _Forked:
    """What `subprocess.Popen` is to a child, for a grandchild that somebody else reaps."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process: psutil.Process | None
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def poll(self) -> int | None:
        return None if self._process is not None and self._process.is_running() else -1

    def wait(self, timeout: float) -> int:
        if self._process is not None:
            self._process.wait(timeout)
        return 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def terminate(self) -> None:
        if self._process is not None:
            self._process.terminate()


def live(data_dir: Path, plan: Path) -> None:
    """Serve until the end."""
    strikes = Strikes(lambda point: tell(struck=point), IDLE)

    def arm(*_: object) -> None:
        due = json.loads(plan.read_text())
        tell(armed=due)
        strikes.arm(due)

    def disarm(*_: object) -> None:
        passed = strikes.disarm()
        if passed is not None:
            tell(passed=passed)

    signal.signal(signal.SIGUSR1, arm)
    signal.signal(signal.SIGUSR2, disarm)
    strikes.install()
    serve(service_settings(port=0, data_dir=data_dir), as_json=False)


if __name__ == "__main__":
    fork_for_each_line(partial(live, Path(sys.argv[1]), Path(sys.argv[2])), beside=True)
