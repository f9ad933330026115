"""The life of a print, as a pure state machine: no row, no clock, no network.

    authorised ──redeem──▶ redeeming ──release──▶ redeemed ──report──▶ completed | failed | cancelled
        ├──withdraw──▶ withdrawn  └──refuse, withhold──▶ refused
        └──expire──▶ expired

| event    | from       | to        | moved by | guard                             | number   | compensation |
|----------|------------|-----------|----------|-----------------------------------|----------|--------------|
| redeem   | authorised | redeeming | printer  | live token, proof, claim, policy  | held     | retry        |
| withdraw | authorised | withdrawn | provider | not redeemed yet                  | free     | authorise    |
| expire   | authorised | expired   | service  | the token's time is over          | free     | authorise    |
| release  | redeeming  | redeemed  | service  | counted on chain, still permitted | consumed | retry        |
| refuse   | redeeming  | refused   | contract | rejected on chain                 | free     | authorise    |
| withhold | redeeming  | refused   | service  | counted on chain, then stopped    | consumed | re-issue     |
| complete | redeemed   | completed | printer  | signed outcome confirmed on chain | consumed | none         |
| fail     | redeemed   | failed    | printer  | signed outcome confirmed on chain | consumed | credit       |
| cancel   | redeemed   | cancelled | printer  | signed outcome confirmed on chain | consumed | none         |

`number` is the sequence number's lot after the event. What makes good what an event took:

- *retry*: the same printer with the same Idempotency-Key is answered from where the print stands, with 202
  and `Retry-After` until the chain has spoken and with the same bytes from then on.
- *authorise*: nothing was counted; the provider authorises another print, which may get the same number.
- *credit*: the contract permits one print more, while fewer than the licence's `reprints` were credited.
- *re-issue*: the owner signs a licence for one print in its place, once (`app/prints/reissue.py`): for a
  print withheld, for a failed one that was not credited, and for a redeemed one whose outcome is overdue or
  whose printer is retired or in quarantine. It moves no state: a late outcome is recorded all the same.

Abandoned is no state either: `app/prints/overdue.py` tells from the clock which prints lack their outcome.

A licence's revocation is no event of its prints. Where it finds one *authorised*, redeeming is refused, and
the print is withdrawn or expires; *redeeming*, the contract refuses it or it is withheld, whichever block
comes first; *redeemed* or later, the print stands and its outcome is taken.

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
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REFUSED = "refused"


class Event(StrEnum):
    """What can happen to a print."""

    REDEEM = "redeem"
    WITHDRAW = "withdraw"
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
    (State.AUTHORISED, Event.WITHDRAW): Transition(State.WITHDRAWN, holds_sequence=False),
    (State.AUTHORISED, Event.EXPIRE): Transition(State.EXPIRED, holds_sequence=False),
    (State.REDEEMING, Event.RELEASE): Transition(State.REDEEMED, holds_sequence=True),
    (State.REDEEMING, Event.REFUSE): Transition(State.REFUSED, holds_sequence=False),
    (State.REDEEMING, Event.WITHHOLD): Transition(State.REFUSED, holds_sequence=True),
    (State.REDEEMED, Event.COMPLETE): Transition(State.COMPLETED, holds_sequence=True),
    (State.REDEEMED, Event.FAIL): Transition(State.FAILED, holds_sequence=True),
    (State.REDEEMED, Event.CANCEL): Transition(State.CANCELLED, holds_sequence=True),
}

UNREDEEMED = frozenset({State.WITHDRAWN, State.EXPIRED, State.REFUSED})
"""States of prints that never released anything and never will."""

FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, *UNREDEEMED})


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
