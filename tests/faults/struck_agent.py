"""A printer agent that dies where it is told, forked from an interpreter that has its modules loaded already.

As a program (`python -m tests.faults.struck_agent HOME`) it prints one token a line in a fork of its own, and
says in a line of JSON how that ended: `{"struck": point}`, or `{"passed": [points], "ended": state or kind}`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from mesh_tools import confine
from tests.faults.strikes import ROOT, Strikes, tell

_END_S = 30.0


class StruckAgent:
    """The agent of one home; each `print` is a process of its own. Use it as a context manager."""

    def __init__(self, home: Path, **settings: str) -> None:
        environment = {
            **os.environ,
            **{f"PARTVAULT_PRINTER_{name.upper()}": settings[name] for name in settings},
        }
        self._log = home.with_suffix(".log")
        with self._log.open("ab") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.struck_agent", str(home)],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(_END_S)
        self._nursery.stdout.close()

    def print(self, token: str, due: str | None = None) -> dict[str, Any]:
        """Start the agent for a token, have it die at a point; gives what it said last."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps([token, due]) + "\n")
        self._nursery.stdin.flush()
        line = self._nursery.stdout.readline()
        assert line, self._log.read_text(errors="replace")[-4000:]
        return dict(json.loads(line))


def _print(home: Path, sandbox: Any, token: str, due: str | None) -> None:
    from printer_agent.assembly import open_agent
    from printer_agent.errors import AgentError
    from printer_agent.print_token import PrintToken
    from printer_agent.settings import Settings

    strikes = Strikes(lambda point: tell(struck=point))
    settings = Settings.read(os.environ, home=home)
    strikes.install()
    strikes.arm(due)
    with open_agent(settings, sandbox=sandbox) as agent:
        try:
            ended = str(agent.print(PrintToken(token)).state)
        except AgentError as error:
            ended = error.kind
        agent.send_outcomes()
    tell(passed=strikes.disarm(), ended=ended)


def main(home: Path) -> None:
    """Print a token for each line; one warm sandbox serves all forks."""
    import printer_agent.assembly
    import printer_agent.drivers.moonraker  # noqa: F401  # all that an agent loads is loaded by these
    from mesh_tools.sandbox import Sandbox

    with Sandbox() as sandbox:
        sandbox.wait_ready()
        for line in sys.stdin:
            token, due = json.loads(line)
            child = os.fork()
            if child == 0:
                confine.die_with_parent()
                assert sandbox._server is not None
                sandbox._server.poll = lambda: None  # type: ignore[method-assign]  # it is its parent's to ask after
                _print(home, sandbox, token, due)
                os._exit(0)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
