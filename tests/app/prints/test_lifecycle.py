"""The life of a print: every pair of state and event, allowed or not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prints.lifecycle import FINAL, TRANSITIONS, Event, IllegalTransition, State, Transition, after

ALLOWED = {
    ("authorised", "redeem"): ("redeeming", True),
    ("authorised", "expire"): ("expired", False),
    ("redeeming", "release"): ("redeemed", True),
    ("redeeming", "refuse"): ("refused", False),
    ("redeeming", "withhold"): ("refused", True),
    ("redeemed", "complete"): ("completed", True),
    ("redeemed", "fail"): ("failed", True),
    ("redeemed", "cancel"): ("cancelled", True),
}


class TestAfter:
    @pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
    def test_allows_what_is_written_down_and_nothing_else(self, state: State, event: Event) -> None:
        expected = ALLOWED.get((state, event))
        if expected is None:
            with pytest.raises(IllegalTransition):
                after(state, event)
        else:
            assert after(state, event) == Transition(State(expected[0]), expected[1])

    def test_leaves_final_states_final(self) -> None:
        assert {state for state, _ in TRANSITIONS}.isdisjoint(FINAL)
        assert {state for state, _ in TRANSITIONS} | FINAL == set(State)

    @given(st.lists(st.sampled_from(list(Event))))
    def test_never_releases_twice_nor_a_number_once_consumed(self, events: list[Event]) -> None:
        state, releases, held = State.AUTHORISED, 0, True
        for event in events:
            if (state, event) not in TRANSITIONS:
                continue
            moved = after(state, event)
            releases += event == Event.RELEASE
            assert held or not moved.holds_sequence
            state, held = moved.target, moved.holds_sequence
        assert releases <= 1
        assert held or releases == 0
