"""Who waits is told what became final, asks the database where nobody tells, and believes no old news."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.outbox import OperationStatus, UnknownOperation
from ledger.waiting import Waiting

NAME = "grant:0x00"
PENDING = OperationStatus(NAME, "grant", "pending")
CONFIRMED = OperationStatus(NAME, "grant", "confirmed")


def answering(*answers: OperationStatus) -> Callable[[], OperationStatus]:
    """Answer each question with the next of some statuses."""
    left = list(answers)
    return lambda: left.pop(0)


def clock() -> float:
    return 0.0


class TestWait:
    def test_asks_at_once(self) -> None:
        assert Waiting(clock).wait(NAME, 1.0, answering(CONFIRMED)) == CONFIRMED

    def test_does_not_ask_for_a_fresh_operation_that_was_published(self) -> None:
        waiting = Waiting(clock)
        waiting.publish([CONFIRMED])
        assert waiting.wait(NAME, 1.0, answering(), fresh=True) == CONFIRMED

    def test_asks_again_for_one_that_is_not_fresh(self) -> None:
        waiting = Waiting(clock)
        waiting.publish([CONFIRMED])
        assert waiting.wait(NAME, 0.0, answering(PENDING)) == PENDING

    def test_forgets_what_a_rewind_may_have_taken_back(self) -> None:
        waiting = Waiting(clock)
        waiting.publish([CONFIRMED])
        waiting.forget()
        assert waiting.wait(NAME, 0.0, answering(PENDING), fresh=True) == PENDING

    def test_asks_for_a_fresh_one_that_nobody_publishes(self) -> None:
        assert Waiting(clock).wait(NAME, 0.01, answering(CONFIRMED), fresh=True) == CONFIRMED

    def test_tells_of_a_fresh_one_that_was_rolled_back(self) -> None:
        def ask() -> OperationStatus:
            raise UnknownOperation("not there")

        with pytest.raises(UnknownOperation):
            Waiting(clock).wait(NAME, 0.01, ask, fresh=True)

    def test_wakes_everyone_who_waits(self) -> None:
        waiting = Waiting(clock)
        with ThreadPoolExecutor(3) as pool:
            found = [pool.submit(waiting.wait, NAME, 30.0, lambda: PENDING) for _ in range(3)]
            while len(waiting._waiters.get(NAME, ())) < 3:
                pass
            waiting.publish([CONFIRMED])
            assert [one.result() for one in found] == [CONFIRMED] * 3


class TestWatch:
    def test_is_told_when_it_is_published_until_it_is_taken_back(self) -> None:
        waiting, told = Waiting(clock), []
        take_back = waiting.watch(NAME, lambda: told.append(NAME))
        assert waiting.watched(NAME)
        waiting.publish([CONFIRMED])
        take_back()
        waiting.publish([CONFIRMED])
        assert told == [NAME]
        assert not waiting.watched(NAME)

    def test_is_told_at_once_of_what_was_published_a_moment_ago(self) -> None:
        waiting, told = Waiting(clock), []
        waiting.publish([CONFIRMED])
        waiting.watch(NAME, lambda: told.append(NAME))()
        assert told == [NAME]

    def test_lets_others_watch_on(self) -> None:
        waiting, told = Waiting(clock), []
        take_back = waiting.watch(NAME, lambda: told.append("first"))
        waiting.watch(NAME, lambda: told.append("second"))
        take_back()
        waiting.publish([CONFIRMED])
        assert told == ["second"]
