"""Work that requests share: batches, errors of one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from app.lane import Lane
from app.together import Answers, Together


@pytest.fixture
def lane() -> Iterator[Lane]:
    made = Lane("t", threads_max=1)
    yield made
    made.close()


def run(together: Together[int, int], asks: Sequence[int]) -> list[int | BaseException]:
    async def all_of_them() -> list[int | BaseException]:
        return await asyncio.gather(*(together(ask) for ask in asks), return_exceptions=True)

    return asyncio.run(all_of_them())


class TestBatch:
    def test_answers_each_its_own(self, lane: Lane) -> None:
        together: Together[int, int] = Together(lane, lambda asks: [ask * 2 for ask in asks])
        assert run(together, range(9)) == [ask * 2 for ask in range(9)]

    def test_takes_what_came_meanwhile_together(self, lane: Lane) -> None:
        sizes: list[int] = []
        first, all_came = threading.Event(), threading.Event()

        def work(asks: Sequence[int]) -> Answers[int]:
            sizes.append(len(asks))
            if not first.is_set():
                first.set()
                assert all_came.wait(10)
            return list(asks)

        together: Together[int, int] = Together(lane, work)

        async def crowd() -> list[int]:
            waiting = [asyncio.ensure_future(together(0))]
            await asyncio.to_thread(first.wait)
            waiting += [asyncio.ensure_future(together(ask)) for ask in range(1, 6)]
            await asyncio.sleep(0)
            all_came.set()
            return await asyncio.gather(*waiting)

        assert asyncio.run(crowd()) == list(range(6))
        assert sizes == [1, 5]

    def test_is_bounded(self, lane: Lane) -> None:
        sizes: list[int] = []

        def work(asks: Sequence[int]) -> Answers[int]:
            sizes.append(len(asks))
            return list(asks)

        assert run(Together(lane, work, batch_max=3), range(20)) == list(range(20))
        assert max(sizes) <= 3


class TestFailure:
    def test_of_one_is_its_answer_alone(self, lane: Lane) -> None:
        def work(asks: Sequence[int]) -> Answers[int]:
            return [ValueError(str(ask)) if ask == 2 else ask for ask in asks]

        answers = run(Together(lane, work), range(4))
        assert isinstance(answers.pop(2), ValueError)
        assert answers == [0, 1, 3]

    def test_of_a_batch_is_tried_again_one_by_one(self, lane: Lane) -> None:
        first, all_came = threading.Event(), threading.Event()

        def work(asks: Sequence[int]) -> Answers[int]:
            if not first.is_set():
                first.set()
                assert all_came.wait(10)
            if 2 in asks:
                raise ValueError("a bad one among them")
            return list(asks)

        together: Together[int, int] = Together(lane, work)

        async def crowd() -> list[int | BaseException]:
            waiting = [asyncio.ensure_future(together(0))]
            await asyncio.to_thread(first.wait)
            waiting += [asyncio.ensure_future(together(ask)) for ask in range(1, 4)]
            await asyncio.sleep(0)
            all_came.set()
            return await asyncio.gather(*waiting, return_exceptions=True)

        answers = asyncio.run(crowd())
        assert isinstance(answers.pop(2), ValueError)
        assert answers == [0, 1, 3]


class TestEnd:
    def test_answers_everyone(self, lane: Lane) -> None:
        together: Together[int, int] = Together(lane, lambda asks: list(asks))
        lane.close()
        assert all(isinstance(answer, RuntimeError) for answer in run(together, [1, 2, 3]))
