"""Token buckets against a model without bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.token_buckets import Buckets, Policy

SLOW = Policy("slow", per_s=2.0, burst=3)


class TestTake:
    def test_gives_the_burst_then_the_rate(self) -> None:
        buckets = Buckets(SLOW, 10)
        assert [buckets.take(b"a", 0.0) for _ in range(4)] == [True, True, True, False]
        assert [buckets.take(b"a", 0.5), buckets.take(b"a", 0.5)] == [True, False]
        assert buckets.take(b"b", 0.5)

    @given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from([b"a", b"b", b"c"])), max_size=60))
    def test_never_gives_more_than_burst_and_rate(self, asked: list[tuple[float, bytes]]) -> None:
        buckets, now = Buckets(SLOW, 10), 0.0
        given_at: dict[bytes, list[float]] = {b"a": [], b"b": [], b"c": []}
        for pause, key in asked:
            now += pause
            if buckets.take(key, now):
                given_at[key].append(now)
        for times in given_at.values():
            for first in range(len(times)):
                for last in range(first, len(times)):
                    most = SLOW.burst + SLOW.per_s * (times[last] - times[first])
                    assert last - first + 1 <= most + 1e-6

    @given(st.lists(st.floats(0.5, 3), max_size=30))
    def test_gives_all_that_come_slower_than_the_rate(self, pauses: list[float]) -> None:
        buckets, now = Buckets(SLOW, 10), 0.0
        for pause in pauses:
            now += pause
            assert buckets.take(b"a", now)

    def test_takes_a_clock_turned_back_for_one_that_stands(self) -> None:
        buckets = Buckets(SLOW, 10)
        for _ in range(3):
            assert buckets.take(b"a", 100.0)
        assert not buckets.take(b"a", 50.0)

    def test_gives_back_no_more_than_the_burst(self) -> None:
        buckets = Buckets(SLOW, 10)
        buckets.take(b"a", 0.0)
        for _ in range(5):
            buckets.give_back(b"a")
        buckets.give_back(b"unknown")
        assert buckets.left(b"a", 0.0) == SLOW.burst


class TestMemory:
    @given(st.lists(st.integers(0, 30), max_size=200))
    def test_is_bounded_and_forgets_the_longest_unused(self, keys: list[int]) -> None:
        buckets, used = Buckets(SLOW, 8), list[int]()
        for key in keys:
            buckets.take(bytes([key]), 0.0)
            used = [each for each in used if each != key] + [key]
            assert len(buckets) <= 8
        for key in used[-8:]:
            assert buckets.left(bytes([key]), 0.0) < SLOW.burst

    def test_is_not_used_by_asking(self) -> None:
        buckets = Buckets(SLOW, 8)
        assert buckets.left(b"a", 0.0) == SLOW.burst
        assert len(buckets) == 0


class TestPolicy:
    @pytest.mark.parametrize(("per_s", "burst", "window_s"), [(2.0, 3, 2), (500.0, 5000, 10), (0.1, 1, 10)])
    def test_tells_the_time_to_be_full(self, per_s: float, burst: int, window_s: int) -> None:
        assert Policy("p", per_s, burst).window_s == window_s
