"""The inbox of a running agent: one file per print token, taken in the order of their names.

Whoever authorises prints drops `NAME.token` (written elsewhere and renamed into place) into HOME/inbox. The
file is removed once its print has an end, good or bad, and stays while the service cannot be reached or the
machine would not take a job.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from printer_agent.agent import Agent, Watcher
from printer_agent.assembly import open_agent
from printer_agent.errors import AgentError, Detached, NotReady, Unreachable
from printer_agent.following import never
from printer_agent.journal import Journal
from printer_agent.outcomes import Summary
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


def take(settings: Settings, watcher: Watcher | None = None, stop: Callable[[], bool] = never) -> list[Taken]:
    """Follow what runs, print every token that waits, send every outcome that waits; give what was done.

    Returns early where `stop` says so: a print that runs goes on, and the next call follows it.
    """
    tokens = sorted(inbox_of(settings.home).glob("*.token"))
    with Journal.open(settings.home) as journal:
        due = journal.waiting_outcomes() or journal.undecided() or journal.unwiped()
    if not tokens and not due:
        return []
    taken = []
    with open_agent(settings, watcher, stop=stop) as agent, suppress(Detached):
        agent.resume()
        for path in tokens:
            if stop():
                break
            taken.append(_print(agent, path))
            if isinstance(taken[-1].error, Unreachable | NotReady):
                break
            path.unlink(missing_ok=True)
            if isinstance(taken[-1].error, Detached):
                break
        agent.send_outcomes()
    return taken


def _print(agent: Agent, path: Path) -> Taken:
    try:
        with path.open("rb") as stream:
            token = PrintToken(stream.read(_TOKEN_BYTES_MAX).decode("ascii", "replace"))
        return Taken(path.name, agent.print(token), None)
    except AgentError as error:
        return Taken(path.name, None, error)


def run(
    settings: Settings, stop: Event, tell: Callable[[Taken], None], watcher: Watcher | None = None
) -> None:
    """Take what comes until `stop` is set; a print that runs on its host then goes on without the agent."""
    told: str | None = None
    while not stop.is_set():
        for taken in take(settings, watcher, stop.is_set):
            waits = f"{taken.error}" if isinstance(taken.error, NotReady | Unreachable) else None
            if waits is None or waits != told:
                tell(taken)
            told = waits
        stop.wait(settings.poll_interval_s)
