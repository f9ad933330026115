"""A service that dies where it is told, forked from an interpreter that has its modules loaded already.

As a program (`python -m tests.faults.struck_service DATA_DIR PLAN`) it forks one service for every line it
reads, and says what happens in lines of JSON: `{"pid"}`, `{"armed"}`, `{"struck": point}`,
`{"passed": [points]}`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from mesh_tools import confine
from tests.e2e.service_process import ServiceProcess
from tests.faults.strikes import ROOT, Strikes, tell

IDLE = frozenset({"_sweeps", "_inspections", "partvault-snapshots", "partvault-anvil"})
"""Threads of the service that no request passes through; `_sweeps` would conclude what no retry comes for."""
_PLAN = "strike.json"
_END_S = 30.0


class StruckService(ServiceProcess):
    """A service whose next request may be its last."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        super().__init__(data_dir, **settings)
        self._plan = data_dir.with_name(_PLAN)
        command = [sys.executable, "-m", "tests.faults.struck_service", str(data_dir), str(self._plan)]
        with self.log.open("ab") as log:
            self._nursery = subprocess.Popen(
                command,
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._nursery.wait(_END_S)
        assert self._nursery.stdout is not None
        self._nursery.stdout.close()

    def arm(self, point: str | None) -> None:
        """Have the service count its points from now on, and die at one of them."""
        self._plan.write_text(json.dumps(point))
        os.kill(self.pid, signal.SIGUSR1)
        assert "armed" in self._told()

    def rest(self) -> list[str] | None:
        """Have it stop counting; gives the points passed, None where it met its own and is dead."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)
        told = self._told()
        if "passed" in told:
            return list(told["passed"])
        assert "struck" in told
        assert self._process is not None
        self._process.wait(_END_S)
        return None

    def _spawn(self) -> Any:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write("fork\n")
        self._nursery.stdin.flush()
        return _Forked(self._told()["pid"])

    def _told(self) -> dict[str, Any]:
        assert self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        assert line, self.tail()
        return dict(json.loads(line))


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


def _serve(data_dir: Path, plan: Path) -> None:
    from app.cli.serve import serve
    from app.cli.start import service_settings

    strikes = Strikes(lambda point: tell(struck=point), IDLE)

    def arm(*_: object) -> None:
        due = json.loads(plan.read_text())
        tell(armed=due)
        strikes.arm(due)

    signal.signal(signal.SIGUSR1, arm)
    signal.signal(signal.SIGUSR2, lambda *_: tell(passed=strikes.disarm()))
    strikes.install()
    serve(service_settings(port=0, data_dir=data_dir), as_json=False)


def main(data_dir: Path, plan: Path) -> None:
    """Fork a service for each line."""
    import ledger.quorum  # noqa: F401  # all that a service loads is loaded by these

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the services
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            confine.die_with_parent()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            _serve(data_dir, plan)
            os._exit(0)
        tell(pid=pid)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
