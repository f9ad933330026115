"""A print on its host as the agent sees it: a pure state machine without I/O or clock.

    starting → printing ⇄ … → ended → wiped
                  ↘ cancelling ↗

| state      | start took | start refused | absent, placed      | printing   | completed, failed, cancelled |
|------------|------------|---------------|---------------------|------------|------------------------------|
| starting   | printing   | ended: failed | stays, then ended ¹ | printing   | ended: as the host says      |
| printing   | —          | —             | stays, then ended ² | stays      | ended: as the host says      |
| cancelling | —          | —             | stays, then ended ² | stays      | ended: as the host says      |
| ended      | —          | —             | stays               | stays      | stays: a result never changes |

¹ After `missing_max` looks in a row: absent is `failed` (it never came), placed is `unknown`: it may have
printed before the host forgot. ² `unknown`: the host lost it, and nobody can say how the part came out.

`starting` is also where every job begins again after a restart of the agent: there is no way from any state
to a second start. A host that gives no answer for `silence_s_max` ends the job as `unknown`. `unknown` is
never reported by itself: the operator looks at the part and says.

A method called in a wrong state raises RuntimeError (the program is wrong).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from printer_agent.drivers.base import Phase, Sighting

_ENDINGS: Final = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED})


class RemoteState(StrEnum):
    """Where a print on its host stands."""

    STARTING = "starting"
    PRINTING = "printing"
    CANCELLING = "cancelling"
    ENDED = "ended"
    WIPED = "wiped"


class RemoteResult(StrEnum):
    """How a print on its host ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Patience:
    """How often in a row a job may be missing on its host, and how long the host may be silent."""

    missing_max: int = 5
    silence_s_max: float = 3600.0


class RemoteJob:
    """One print on its host; see the module for the table."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._state = RemoteState.STARTING
        self._result: RemoteResult | None = None
        self._detail = ""
        self._missing = 0

    @property
    def state(self) -> RemoteState:
        """Where the print stands."""
        return self._state

    @property
    def result(self) -> RemoteResult:
        """How it ended, from `ended` on."""
        if self._result is None:
            raise RuntimeError(f"the print has no result, it is {self._state}")
        return self._result

    @property
    def detail(self) -> str:
        """A word about the ending."""
        return self._detail

    @property
    def running(self) -> bool:
        """Whether it has to be looked at again."""
        return self._result is None

    def taken(self) -> None:
        """Note that the host took the start (starting → printing)."""
        self._expect(RemoteState.STARTING)
        self._state = RemoteState.PRINTING

    def refused(self, detail: str) -> None:
        """Note that the host refused the start (starting → ended)."""
        self._expect(RemoteState.STARTING)
        self._end(RemoteResult.FAILED, detail)

    def cancelled(self) -> None:
        """Note that the host was asked to stop it (starting or printing → cancelling); again is well too."""
        self._expect(RemoteState.STARTING, RemoteState.PRINTING, RemoteState.CANCELLING)
        self._state = RemoteState.CANCELLING

    def see(self, sighting: Sighting) -> None:
        """Take what the host says; after the end it changes nothing."""
        if not self.running:
            return
        if sighting.phase in _ENDINGS:
            self._end(
                RemoteResult(sighting.phase.value), sighting.detail or f"the host says {sighting.phase}"
            )
        elif sighting.phase is Phase.PRINTING:
            self._missing = 0
            if self._state is RemoteState.STARTING:
                self._state = RemoteState.PRINTING
        else:
            self._miss(sighting.phase)

    def silent(self, seconds: float) -> None:
        """Note that the host has given no answer for so long."""
        if self.running and seconds >= self._patience.silence_s_max:
            self._end(RemoteResult.UNKNOWN, f"the host gave no answer for {seconds:.0f} s")

    def wiped(self) -> None:
        """Note that nothing of it lies on the host any more (ended → wiped)."""
        self._expect(RemoteState.ENDED)
        self._state = RemoteState.WIPED

    def _miss(self, phase: Phase) -> None:
        self._missing += 1
        if self._missing < self._patience.missing_max:
            return
        if self._state is RemoteState.STARTING and phase is Phase.ABSENT:
            self._end(RemoteResult.FAILED, "interrupted before the host had the file")
        else:
            self._end(RemoteResult.UNKNOWN, f"the host does not know how it ended: the file is {phase}")

    def _end(self, result: RemoteResult, detail: str) -> None:
        self._result, self._detail, self._state = result, detail, RemoteState.ENDED

    def _expect(self, *states: RemoteState) -> None:
        if self._state not in states:
            raise RuntimeError(f"the print is {self._state}, this call belongs to {' or '.join(states)}")
