"""The life of a shredding: what may happen when, and by which key."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from app.shredding.lifecycle import (
    TRANSITIONS,
    Asking,
    Event,
    IllegalTransition,
    Refusal,
    Standing,
    State,
    after,
    refusal,
)

ASKED_AT, END = 500, 1000
REQUESTER = Asking("key_requester", 0, related=False)
OTHER = Asking("key_other", ASKED_AT - 1, related=False)


def standing(state: State = State.REQUESTED) -> Standing:
    return Standing(state, REQUESTER.key_id, ASKED_AT, END)


class TestAfter:
    @pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
    def test_knows_every_pair(self, state: State, event: Event) -> None:
        if (state, event) in TRANSITIONS:
            assert after(state, event) is not state
        else:
            with pytest.raises(IllegalTransition, match=f"{state} cannot {event}"):
                after(state, event)

    def test_never_comes_back_from_a_confirmation(self) -> None:
        reached, last = {State.CONFIRMED}, set[State]()
        while reached != last:
            last = set(reached)
            reached |= {target for (state, _), target in TRANSITIONS.items() if state in reached}
        assert reached == {State.CONFIRMED, State.SHREDDED}


class TestRefusal:
    def test_lets_another_key_confirm(self) -> None:
        assert refusal(standing(), Event.CONFIRM, OTHER, END - 1) is None

    def test_lets_no_key_confirm_what_it_requested(self) -> None:
        assert refusal(standing(), Event.CONFIRM, REQUESTER, 0) is Refusal.SAME_KEY

    def test_lets_no_related_key_confirm(self) -> None:
        related = replace(OTHER, related=True)
        assert refusal(standing(), Event.CONFIRM, related, 0) is Refusal.RELATED_KEY
        assert refusal(standing(), Event.WITHDRAW, related, 0) is None

    @pytest.mark.parametrize("made_at", [ASKED_AT, ASKED_AT + 1])
    def test_lets_no_later_key_confirm(self, made_at: int) -> None:
        late = replace(OTHER, made_at=made_at)
        assert refusal(standing(), Event.CONFIRM, late, made_at) is Refusal.NEW_KEY

    def test_lets_nobody_confirm_too_late(self) -> None:
        assert refusal(standing(), Event.CONFIRM, OTHER, END) is Refusal.STATE
        assert refusal(standing(), Event.WITHDRAW, REQUESTER, END) is Refusal.STATE

    @pytest.mark.parametrize("key", [REQUESTER, OTHER])
    def test_lets_any_owner_withdraw(self, key: Asking) -> None:
        assert refusal(standing(), Event.WITHDRAW, key, 0) is None

    @pytest.mark.parametrize("state", [state for state in State if state is not State.REQUESTED])
    @pytest.mark.parametrize("event", [Event.CONFIRM, Event.WITHDRAW])
    def test_lets_nobody_change_what_is_decided(self, state: State, event: Event) -> None:
        assert refusal(standing(state), event, OTHER, 0) is Refusal.STATE

    def test_waits_for_a_confirmed_one_for_ever(self) -> None:
        assert standing(State.CONFIRMED).at(END + 1) is State.CONFIRMED
