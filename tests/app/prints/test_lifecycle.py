"""The life of a print: every pair of state and event, allowed or not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prints import lifecycle
from app.prints.lifecycle import FINAL, TRANSITIONS, Event, IllegalTransition, State, Transition, after

ALLOWED = {
    ("authorised", "redeem"): ("redeeming", True),
    ("authorised", "withdraw"): ("withdrawn", False),
    ("authorised", "expire"): ("expired", False),
    ("redeeming", "release"): ("redeemed", True),
    ("redeeming", "refuse"): ("refused", False),
    ("redeeming", "withhold"): ("refused", True),
    ("redeemed", "complete"): ("completed", True),
    ("redeemed", "fail"): ("failed", True),
    ("redeemed", "cancel"): ("cancelled", True),
}


def written() -> list[dict[str, str]]:
    """The rows of the table in the module's docstring."""
    lines = [line for line in (lifecycle.__doc__ or "").splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(header, row, strict=True)) for row in rows]


class TestDocumentation:
    def test_writes_down_every_transition_and_no_other(self) -> None:
        said = {(row["from"], row["event"]): (row["to"], row["number"] != "free") for row in written()}
        assert said == {key: (moved.target, moved.holds_sequence) for key, moved in TRANSITIONS.items()}
        assert len(written()) == len(TRANSITIONS)

    def test_names_who_moves_it_the_guard_and_what_makes_good(self) -> None:
        explained = {"retry", "authorise", "credit", "re-issue", "none"}
        for row in written():
            assert row["moved by"] in {"printer", "provider", "service", "contract"}
            assert row["guard"]
            assert row["compensation"] in explained
            assert row["compensation"] == "none" or f"*{row['compensation']}*" in (lifecycle.__doc__ or "")


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
