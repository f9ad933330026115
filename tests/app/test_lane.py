"""The one thread that takes turns, and the ones that help it out."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.lane import Lane

PATIENCE_S = 20.0


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("t")
    yield made
    made.close()


class TestTurns:
    def test_are_taken_in_order_by_one_thread(self, lane: Lane) -> None:
        taken: list[tuple[int, int]] = []
        first, all_came = threading.Event(), threading.Event()

        def turn(number: int) -> None:
            if number == 0:
                first.set()
                assert all_came.wait(PATIENCE_S)
            taken.append((number, threading.get_ident()))

        for number in range(20):
            lane.take(lambda number=number: turn(number))  # type: ignore[misc]
        all_came.set()
        lane.close()
        assert [number for number, _ in taken] == list(range(20))
        assert first.is_set()

    def test_that_fail_leave_the_others_theirs(self, lane: Lane) -> None:
        taken = threading.Event()

        def fail() -> None:
            raise ValueError("a bad turn")

        lane.take(fail)
        lane.take(taken.set)
        assert taken.wait(PATIENCE_S)


class TestHelp:
    def test_comes_where_a_turn_waits_for_something_else(self, lane: Lane) -> None:
        """The first turn ends only after the second, which came while it was under way."""
        second, ended = threading.Event(), threading.Event()

        def slow() -> None:
            assert second.wait(PATIENCE_S)
            ended.set()

        lane.take(slow)
        lane.take(second.set)
        assert ended.wait(PATIENCE_S)

    def test_comes_again_while_those_who_came_wait_too(self, lane: Lane) -> None:
        meeting = threading.Barrier(4)
        done = threading.Semaphore(0)

        def meet() -> None:
            meeting.wait(PATIENCE_S)
            done.release()

        for _ in range(4):
            lane.take(meet)
        assert all(done.acquire(timeout=PATIENCE_S) for _ in range(4))

    def test_is_bounded(self) -> None:
        lane, released = Lane("t", threads_max=2), threading.Event()
        under_way, counted = threading.Semaphore(0), []

        def turn() -> None:
            counted.append(threading.get_ident())
            under_way.release()
            assert released.wait(PATIENCE_S)

        for _ in range(5):
            lane.take(turn)
        assert under_way.acquire(timeout=PATIENCE_S)
        assert under_way.acquire(timeout=PATIENCE_S)
        assert not under_way.acquire(timeout=0.6)
        released.set()
        lane.close()
        assert (len(counted), len(set(counted))) == (5, 2)


class TestClose:
    def test_takes_what_waits_and_refuses_what_comes(self, lane: Lane) -> None:
        taken: list[int] = []
        for number in range(9):
            lane.take(lambda number=number: taken.append(number))  # type: ignore[misc]
        lane.close()
        assert taken == list(range(9))
        with pytest.raises(RuntimeError, match="ending"):
            lane.take(lambda: taken.append(9))
