"""How each endpoint of several does: whether it has a vote, and how often the others said otherwise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_log = logging.getLogger(__name__)
REMEMBERED_S: Final = 3600.0
"""How long it is told that an endpoint was outvoted, from the last time on."""


@dataclass(frozen=True)
class Spell:
    """That an endpoint was outvoted `times` times from `since` to `last` (Unix seconds), never an hour apart.

    `said` is what it said the last time, and what the others did.
    """

    times: int
    since: float
    last: float
    said: str


@dataclass(frozen=True)
class EndpointHealth:
    """One endpoint by its host. `trouble` is why it has no vote now, None where it has one; `outvoted` is the
    spell of the last hour, None where the others always said the same.
    """

    name: str
    trouble: str | None = None
    outvoted: Spell | None = None


class Outvotings:
    """Remembers who was outvoted. Safe from any thread; `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._spells: dict[str, Spell] = {}

    def note(self, name: str, said: str) -> None:
        """Count that an endpoint said something else than the others; the first time of a spell is logged."""
        now = self._clock()
        with self._guard:
            known = self._known(name)
            times, since = (1, now) if known is None else (known.times + 1, known.since)
            self._spells[name] = Spell(times, since, now, said)
        if known is None:
            _log.error("endpoint %s %s", name, said)

    def of(self, name: str) -> Spell | None:
        """Return an endpoint's spell, None where the last time is more than an hour ago."""
        with self._guard:
            return self._known(name)

    def _known(self, name: str) -> Spell | None:
        spell = self._spells.get(name)
        return None if spell is None or spell.last < self._clock() - REMEMBERED_S else spell
