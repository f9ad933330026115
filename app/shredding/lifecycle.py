"""The life of a shredding, as a pure state machine: no row, no clock, no database.

    requested ──confirm──▶ confirmed ──finish──▶ shredded
        │
        ├──withdraw──▶ withdrawn
        └──expire────▶ expired

| event    | from      | to        | who                                                                   |
|----------|-----------|-----------|-----------------------------------------------------------------------|
| confirm  | requested | confirmed | in time, an owner's or operator's key unrelated to the requesting one |
| withdraw | requested | withdrawn | any owner's key of the organisation, the requesting one too           |
| expire   | requested | expired   | the service, when nobody confirmed in time                            |
| finish   | confirmed | shredded  | the service, when objects and old pages are gone                      |

Confirmation is the point of no return: with it the keys are gone. To request one takes an owner's key.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum

REQUEST_TTL_S = 7 * 24 * 3600
"""How long a request waits for its confirmation."""


class State(StrEnum):
    """Where a shredding stands."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    SHREDDED = "shredded"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a shredding."""

    CONFIRM = "confirm"
    FINISH = "finish"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.REQUESTED, Event.CONFIRM): State.CONFIRMED,
    (State.REQUESTED, Event.WITHDRAW): State.WITHDRAWN,
    (State.REQUESTED, Event.EXPIRE): State.EXPIRED,
    (State.CONFIRMED, Event.FINISH): State.SHREDDED,
}

OPEN = frozenset({State.REQUESTED, State.CONFIRMED})


class IllegalTransition(RuntimeError):  # noqa: N818 - it names what was tried
    """An event that cannot happen in this state; a fault of the program, not of its input."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a shredding that is {state} cannot {event}")


def after(state: State, event: Event) -> State:
    """Give the state an event leads to; IllegalTransition where it cannot happen."""
    try:
        return TRANSITIONS[(state, event)]
    except KeyError:
        raise IllegalTransition(state, event) from None


@dataclass(frozen=True)
class Standing:
    """What a decision about a shredding depends on."""

    state: State
    requested_by: str
    requested_at: int
    expires_at: int

    def at(self, now: int) -> State:
        """Give the state at a moment: a request nobody confirmed in time has expired."""
        waited = self.state is State.REQUESTED and now >= self.expires_at
        return State.EXPIRED if waited else self.state


@dataclass(frozen=True)
class Asking:
    """The API key that asks. `related` says that it or the requesting key made the other, through others too:
    who made a key has seen it.
    """

    key_id: str
    made_at: int
    related: bool


class Refusal(StrEnum):
    """Why somebody may not do something: the shredding is elsewhere, or this key is the wrong one."""

    STATE = "state"
    SAME_KEY = "same_key"
    RELATED_KEY = "related_key"
    NEW_KEY = "new_key"


def refusal(standing: Standing, event: Event, asking: Asking, now: int) -> Refusal | None:
    """Say what speaks against an event that an API key asks for, None where nothing does.

    That the key's owner may see the shredding at all is the caller's to decide.
    """
    if (standing.at(now), event) not in TRANSITIONS:
        return Refusal.STATE
    if event is not Event.CONFIRM:
        return None
    if hmac.compare_digest(asking.key_id.encode(), standing.requested_by.encode()):
        return Refusal.SAME_KEY
    if asking.related:
        return Refusal.RELATED_KEY
    return Refusal.NEW_KEY if asking.made_at >= standing.requested_at else None
