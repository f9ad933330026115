"""Work that concurrent requests share: what comes while a batch is under way is done together in the next.

Ten requests that each read, ask the chain and commit for themselves cost ten times what one does; read, ask
and commit once for the ten, and the processor is left to what each of them needs for itself. Nobody waits for
company: a request that comes alone is a batch of one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeAlias, TypeVar

from app.lane import Lane

A = TypeVar("A")
R = TypeVar("R")
Answers: TypeAlias = "Sequence[R | Exception]"


class Together(Generic[A, R]):
    """Answers each request by `work`, which gets a batch and gives an answer or an error for each of them.

    Where `work` itself raises, each of the batch is done again alone: one must not be refused for another.
    So `work` is something that may be repeated after a failure, like the request itself.
    """

    def __init__(self, lane: Lane, work: Callable[[Sequence[A]], Answers[R]], *, batch_max: int = 64) -> None:
        self._lane = lane
        self._work = work
        self._batch_max = batch_max
        self._guard = threading.Lock()
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []

    async def __call__(self, ask: A) -> R:
        """Have a request done with others; raises what `work` gave for it."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.hand(ask, answer)
        return await answer

    def hand(self, ask: A, answer: asyncio.Future[R]) -> None:
        """Have a request done and its answer put into a future; from any thread."""
        with self._guard:
            self._waiting.append((ask, answer))
            first = len(self._waiting) == 1
        if first:
            try:
                self._lane.take(self._turn)
            except RuntimeError as over:
                self._turn_away(over)

    def _turn_away(self, why: RuntimeError) -> None:
        with self._guard:
            waiting, self._waiting = self._waiting, []
        _deliver([(answer, why) for _, answer in waiting])

    def _turn(self) -> None:
        """Answer those who wait now, as many as one batch may have; for the rest there is another turn."""
        with self._guard:
            batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
            more = bool(self._waiting)
        if more:
            self._lane.take(self._turn)
        answers = self._answers([ask for ask, _ in batch])
        _deliver([(future, answer) for (_, future), answer in zip(batch, answers, strict=True)])

    def _answers(self, asks: Sequence[A]) -> Answers[R]:
        try:
            return self._work(asks)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is each one's answer
            if len(asks) == 1:
                return [error]
        return [answer for ask in asks for answer in self._answers([ask])]


def _deliver(answers: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    """Hand the answers of a batch to the loops that wait for them, with one call each."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], R | Exception]]] = {}
    for future, answer in answers:
        loops.setdefault(future.get_loop(), []).append((future, answer))
    for loop, some in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, some)


def _settle(answers: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    for future, answer in answers:
        if future.done():  # who asked has gone
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
