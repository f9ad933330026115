"""The inbox of a running agent: one file per print token, taken in the order of their names.

Whoever authorises prints drops `NAME.token` (written elsewhere and renamed into place) into HOME/inbox. The
file is removed once its print has an end, good or bad, and stays while the service cannot be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from printer_agent.agent import Summary, Watcher
from printer_agent.assembly import open_agent
from printer_agent.errors import AgentError, Unreachable
from printer_agent.journal import Journal
from printer_agent.print_token import PrintToken
from printer_agent.private_files import make_private_folder
from printer_agent.settings import Settings

_TOKEN_BYTES_MAX = 1024


@dataclass(frozen=True)
class Taken:
    """One token file and how its print went; `error` is None where it went well."""

    name: str
    summary: Summary | None
    error: AgentError | None


def inbox_of(home: Path) -> Path:
    """Give the inbox of a home, made if need be."""
    folder = home / "inbox"
    make_private_folder(folder)
    return folder


def take(settings: Settings, watcher: Watcher | None = None) -> list[Taken]:
    """Print every token that waits and send every outcome that waits; give what was done."""
    tokens = sorted(inbox_of(settings.home).glob("*.token"))
    with Journal.open(settings.home) as journal:
        idle = not tokens and not journal.waiting_outcomes() and not journal.undecided()
    if idle:
        return []
    taken = []
    with open_agent(settings, watcher) as agent:
        for path in tokens:
            try:
                with path.open("rb") as stream:
                    token = PrintToken(stream.read(_TOKEN_BYTES_MAX).decode("ascii", "replace"))
                taken.append(Taken(path.name, agent.print(token), None))
            except AgentError as error:
                taken.append(Taken(path.name, None, error))
                if isinstance(error, Unreachable):
                    break
            path.unlink(missing_ok=True)
        agent.send_outcomes()
    return taken


def run(
    settings: Settings, stop: Event, tell: Callable[[Taken], None], watcher: Watcher | None = None
) -> None:
    """Take what comes until `stop` is set; a print under way is finished first."""
    while not stop.is_set():
        for taken in take(settings, watcher):
            tell(taken)
        stop.wait(settings.poll_interval_s)
