"""A printer agent that dies where it is told.

As a program (`python -m tests.faults.struck_agent HOME`) it prints a token in a fork of its own for every
line `[token, point]`, and says how that ended: `{"struck": point}`, or `{"passed": [points], "ended": word}`,
where the word is the print's state or the kind of error that ended it.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from mesh_tools.sandbox import Sandbox
from printer_agent.assembly import open_agent
from printer_agent.errors import AgentError
from printer_agent.print_token import PrintToken
from printer_agent.settings import Settings
from tests.faults.forks import Forks, fork_for_each_line, tell
from tests.faults.strikes import Strikes


class StruckAgent(Forks):
    """The agent of one home; each `print` is a process of its own."""

    def __init__(self, home: Path, **settings: str) -> None:
        named = {f"PARTVAULT_PRINTER_{name.upper()}": value for name, value in settings.items()}
        log = home.with_suffix(".log")
        super().__init__("tests.faults.struck_agent", str(home), log=log, environment={**os.environ, **named})

    def print(self, token: str, due: str | None = None) -> dict[str, Any]:
        """Start the agent for a token, have it die at a point; gives what it said last."""
        return self.ask(token, due)


def live(home: Path, sandbox: Sandbox, token: str, due: str | None) -> None:
    """Live through one start of the agent."""
    assert sandbox._server is not None
    sandbox._server.poll = lambda: None  # type: ignore[method-assign]  # it is its parent's to ask after
    strikes = Strikes(lambda point: tell(struck=point))
    strikes.install()
    strikes.arm(due)
    with open_agent(Settings.read(os.environ, home=home), sandbox=sandbox) as agent:
        try:
            ended = str(agent.print(PrintToken(token)).state)
        except AgentError as error:
            ended = error.kind
        agent.send_outcomes()
    tell(passed=strikes.disarm(), ended=ended)


if __name__ == "__main__":
    with Sandbox() as warm:
        warm.wait_ready()
        fork_for_each_line(partial(live, Path(sys.argv[1]), warm))
