"""The embedded chain says when it has outgrown its place, and why."""

from __future__ import annotations

import pytest

from ledger.capacity import EVENTS_MAX, MEMORY_BYTES_MAX, START_S_MAX, ChainLoad, move_on


class TestMoveOn:
    def test_says_nothing_below_the_bounds(self) -> None:
        assert move_on(ChainLoad(EVENTS_MAX - 1, MEMORY_BYTES_MAX - 1, START_S_MAX - 0.1)) is None

    def test_takes_what_is_not_known_for_nothing(self) -> None:
        assert move_on(ChainLoad(0)) is None

    @pytest.mark.parametrize(
        ("load", "reason"),
        [
            (ChainLoad(EVENTS_MAX), "it holds 250,000 events, it is meant for 250,000"),
            (ChainLoad(0, 2 * MEMORY_BYTES_MAX), "its process holds 2048 MiB of 1024"),
            (ChainLoad(0, None, 61.0), "its last start took 61 s, more than 60"),
        ],
    )
    def test_names_the_reason(self, load: ChainLoad, reason: str) -> None:
        sentence = move_on(load)
        assert sentence is not None
        assert reason in sentence
        assert sentence.startswith("it is time to move from the embedded chain to a real network")
