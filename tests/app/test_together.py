"""Work that requests share: batches, errors of one, relief for those who wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from app.together import Answers, Together


def run(together: Together[int, int], asks: Sequence[int]) -> list[int | BaseException]:
    async def all_of_them() -> list[int | BaseException]:
        return await asyncio.gather(*(together(ask) for ask in asks), return_exceptions=True)

    try:
        return asyncio.run(all_of_them())
    finally:
        together.close()


class TestBatch:
    def test_answers_each_its_own(self) -> None:
        together: Together[int, int] = Together("t", lambda asks: [ask * 2 for ask in asks])
        assert run(together, range(9)) == [ask * 2 for ask in range(9)]

    def test_takes_what_came_meanwhile_together(self) -> None:
        sizes: list[int] = []
        first, all_came = threading.Event(), threading.Event()

        def work(asks: Sequence[int]) -> Answers[int]:
            sizes.append(len(asks))
            if not first.is_set():
                first.set()
                assert all_came.wait(10)
            return list(asks)

        together: Together[int, int] = Together("t", work, threads=1)

        async def crowd() -> list[int]:
            waiting = [asyncio.ensure_future(together(0))]
            await asyncio.to_thread(first.wait)
            waiting += [asyncio.ensure_future(together(ask)) for ask in range(1, 6)]
            await asyncio.sleep(0)
            all_came.set()
            return await asyncio.gather(*waiting)

        assert asyncio.run(crowd()) == list(range(6))
        together.close()
        assert sizes == [1, 5]

    def test_is_bounded(self) -> None:
        sizes: list[int] = []

        def work(asks: Sequence[int]) -> Answers[int]:
            sizes.append(len(asks))
            return list(asks)

        assert run(Together("t", work, batch_max=3), range(20)) == list(range(20))
        assert max(sizes) <= 3


class TestFailure:
    def test_of_one_is_its_answer_alone(self) -> None:
        def work(asks: Sequence[int]) -> Answers[int]:
            return [ValueError(str(ask)) if ask == 2 else ask for ask in asks]

        answers = run(Together("t", work), range(4))
        assert isinstance(answers.pop(2), ValueError)
        assert answers == [0, 1, 3]

    def test_of_a_batch_is_tried_again_one_by_one(self) -> None:
        first, all_came = threading.Event(), threading.Event()

        def work(asks: Sequence[int]) -> Answers[int]:
            if not first.is_set():
                first.set()
                assert all_came.wait(10)
            if 2 in asks:
                raise ValueError("a bad one among them")
            return list(asks)

        together: Together[int, int] = Together("t", work, threads=1)

        async def crowd() -> list[int | BaseException]:
            waiting = [asyncio.ensure_future(together(0))]
            await asyncio.to_thread(first.wait)
            waiting += [asyncio.ensure_future(together(ask)) for ask in range(1, 4)]
            await asyncio.sleep(0)
            all_came.set()
            return await asyncio.gather(*waiting, return_exceptions=True)

        answers = asyncio.run(crowd())
        together.close()
        assert isinstance(answers.pop(2), ValueError)
        assert answers == [0, 1, 3]


class TestRelief:
    def test_does_not_wait_for_a_batch_that_takes_its_time(self) -> None:
        """The first is done only after the second was, which came while it was under way."""
        first, second = threading.Event(), threading.Event()

        def work(asks: Sequence[int]) -> Answers[int]:
            if 1 in asks:
                first.set()
                assert second.wait(10)
            if 2 in asks:
                second.set()
            return list(asks)

        together: Together[int, int] = Together("t", work)

        async def both() -> list[int]:
            slow = asyncio.ensure_future(together(1))
            await asyncio.to_thread(first.wait)
            return [await together(2), await slow]

        assert asyncio.run(both()) == [2, 1]
        together.close()

    def test_is_over_with_the_end(self) -> None:
        together: Together[int, int] = Together("t", lambda asks: list(asks))
        together.close()
        (answer,) = run(together, [1])
        assert isinstance(answer, RuntimeError)
