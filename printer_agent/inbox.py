"""The inbox of a running agent: one file per print token, taken in the order of their names.

Whoever authorises prints drops `NAME.token` (written elsewhere and renamed into place) into HOME/inbox. The
file is removed once its print has an end, good or bad, and stays while the service cannot be reached or the
machine would not take a job.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from printer_agent.agent import Agent
from printer_agent.assembly import open_agent
from printer_agent.errors import AgentError, Detached, NotReady, ReleaseRefused, Unreachable
from printer_agent.following import never
from printer_agent.identity import Identities, Identity
from printer_agent.journal import Journal
from printer_agent.outcomes import Summary
from printer_agent.print_token import PrintToken
from printer_agent.private_files import make_private_folder
from printer_agent.rotation import identity_for, settle
from printer_agent.settings import Settings
from printer_agent.tools import Watcher

_TOKEN_BYTES_MAX = 1024
_LOOK_EVERY = 15
"""Every so many turns of `run` the service is asked how far a rotation of keys came, if nothing waits."""


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


def take(
    settings: Settings,
    watcher: Watcher | None = None,
    stop: Callable[[], bool] = never,
    *,
    look: bool = True,
) -> list[Taken]:
    """Follow what runs, print every token that waits, send every outcome that waits; give what was done.

    Returns early where `stop` says so: a print that runs goes on, and the next call follows it. `look` asks
    the service how far a rotation of keys came, even where nothing waits.
    """
    tokens = sorted(inbox_of(settings.home).glob("*.token"))
    with Journal.open(settings.home) as journal:
        due = bool(journal.waiting_outcomes() or journal.undecided() or journal.unwiped())
    found = Identities.load(settings.home, settings.keys_pin)
    if not tokens and not due and not (found.rotating and look):
        return []
    try:
        if found.rotating:
            found = settle(settings)
        if not tokens and not due:
            return []
        return _take_all(settings, found, tokens, watcher, stop)
    except (NotReady, Unreachable) as error:
        return [Taken(tokens[0].name if tokens else "", None, error)]


def _take_all(
    settings: Settings,
    found: Identities,
    tokens: list[Path],
    watcher: Watcher | None,
    stop: Callable[[], bool],
) -> list[Taken]:
    """Let each identity see to its own prints and tokens, those of before first."""
    owners = {path: _owner(settings, found, path) for path in tokens}
    taken: list[Taken] = []
    for identity in found.alive:
        mine = [path for path in tokens if owners[path] is identity]
        with open_agent(settings, watcher, identity=identity, stop=stop) as agent, suppress(Detached):
            agent.resume()
            taken += _print_each(agent, mine, stop)
            agent.send_outcomes()
        if stop() or (taken and isinstance(taken[-1].error, Unreachable | NotReady | Detached)):
            break
    return taken


def _owner(settings: Settings, found: Identities, path: Path) -> Identity:
    """Give the identity that a file's token is for; what is no token is the current one's to refuse."""
    try:
        return identity_for(settings, found, _read(path))
    except ReleaseRefused:
        return found.enrolling


def _print_each(agent: Agent, tokens: list[Path], stop: Callable[[], bool]) -> list[Taken]:
    """Print tokens until one has to wait, or the agent is to stop."""
    taken: list[Taken] = []
    for path in tokens:
        if stop():
            break
        taken.append(_print(agent, path))
        if isinstance(taken[-1].error, Unreachable | NotReady):
            break
        path.unlink(missing_ok=True)
        if isinstance(taken[-1].error, Detached):
            break
    return taken


def _print(agent: Agent, path: Path) -> Taken:
    try:
        return Taken(path.name, agent.print(_read(path)), None)
    except AgentError as error:
        return Taken(path.name, None, error)


def _read(path: Path) -> PrintToken:
    with path.open("rb") as stream:
        return PrintToken(stream.read(_TOKEN_BYTES_MAX).decode("ascii", "replace"))


def run(
    settings: Settings, stop: Event, tell: Callable[[Taken], None], watcher: Watcher | None = None
) -> None:
    """Take what comes until `stop` is set; a print that runs on its host then goes on without the agent."""
    told: str | None = None
    for turn in itertools.count():
        if stop.is_set():
            return
        for taken in take(settings, watcher, stop.is_set, look=turn % _LOOK_EVERY == 0):
            waits = f"{taken.error}" if isinstance(taken.error, NotReady | Unreachable) else None
            if waits is None or waits != told:
                tell(taken)
            told = waits
        stop.wait(settings.poll_interval_s)
