"""The life of a print, as a pure state machine: no row, no clock, no network.

    authorised ──redeem──▶ redeeming ──release──▶ redeemed ──report──▶ completed | failed | cancelled
        │                      │
        └──expire──▶ expired   └──refuse──▶ refused

| event    | from       | to         | who moves it     | guard                                 | number
afterwards          |
|----------|------------|------------|------------------|---------------------------------------|----------------------------|
| redeem   | authorised | redeeming  | the printer      | live token, proof, claim, policy      | held
|
| expire   | authorised | expired    | the service      | token's time is over                  | free
|
| release  | redeeming  | redeemed   | the service      | print recorded and confirmed on chain | consumed
|
| refuse   | redeeming  | refused    | the contract     | rejected on chain                     | free
|
| withhold | redeeming  | refused    | the service      | recorded, but no longer permitted     | consumed
|
| complete | redeemed   | completed  | the printer      | signed outcome confirmed on chain     | consumed
|
| fail     | redeemed   | failed     | the printer      | signed outcome confirmed on chain     | consumed,
may be credited  |
| cancel   | redeemed   | cancelled  | the printer      | signed outcome confirmed on chain     | consumed
|

An event in any other state is `IllegalTransition`: the callers look before they leap, so it is a programming
error.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a print stands."""

    AUTHORISED = "authorised"
    REDEEMING = "redeeming"
    REDEEMED = "redeemed"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUSED = "refused"


class Event(StrEnum):
    """What can happen to a print."""

    REDEEM = "redeem"
    EXPIRE = "expire"
    RELEASE = "release"
    REFUSE = "refuse"
    WITHHOLD = "withhold"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Transition:
    """Where an event leads, and whether the print still holds its sequence number then."""

    target: State
    holds_sequence: bool


TRANSITIONS: dict[tuple[State, Event], Transition] = {
    (State.AUTHORISED, Event.REDEEM): Transition(State.REDEEMING, holds_sequence=True),
    (State.AUTHORISED, Event.EXPIRE): Transition(State.EXPIRED, holds_sequence=False),
    (State.REDEEMING, Event.RELEASE): Transition(State.REDEEMED, holds_sequence=True),
    (State.REDEEMING, Event.REFUSE): Transition(State.REFUSED, holds_sequence=False),
    (State.REDEEMING, Event.WITHHOLD): Transition(State.REFUSED, holds_sequence=True),
    (State.REDEEMED, Event.COMPLETE): Transition(State.COMPLETED, holds_sequence=True),
    (State.REDEEMED, Event.FAIL): Transition(State.FAILED, holds_sequence=True),
    (State.REDEEMED, Event.CANCEL): Transition(State.CANCELLED, holds_sequence=True),
}

FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.EXPIRED, State.REFUSED})


class IllegalTransition(RuntimeError):  # noqa: N818 - it names what was tried
    """An event that cannot happen in this state; a fault of the program, not of its input."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"a print that is {state} cannot {event}")
        self.state = state
        self.event = event


def after(state: State, event: Event) -> Transition:
    """Give the transition an event causes; IllegalTransition where there is none."""
    try:
        return TRANSITIONS[(state, event)]
    except KeyError:
        raise IllegalTransition(state, event) from None
