"""Work that concurrent requests share: what comes while a batch is under way is done together in the next.

Ten requests that each read, ask the chain and commit for themselves cost ten times what one does; read, ask
and commit once for the ten, and the processor is left to what each of them needs for itself. Nobody waits for
company: a request that comes alone is a batch of one. And nobody waits long for a batch that takes its time:
after `PATIENCE_S` another thread begins with those who wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeAlias, TypeVar

PATIENCE_S = 0.05
A = TypeVar("A")
R = TypeVar("R")
Answers: TypeAlias = "Sequence[R | Exception]"


class Together(Generic[A, R]):
    """Answers each request by `work`, which gets a batch and gives an answer or an error for each of them.

    Where `work` itself raises, each of the batch is done again alone: one must not be refused for another.
    So `work` is something that may be repeated after a failure, like the request itself.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[A]], Answers[R]], *, batch_max: int = 64, threads: int = 8
    ) -> None:
        self._work = work
        self._batch_max = batch_max
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._guard = threading.Lock()
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._running = 0
        self._relief = False
        self._closed = False

    async def __call__(self, ask: A) -> R:
        """Have a request done with others; raises what `work` gave for it."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.hand(ask, answer)
        return await answer

    def hand(self, ask: A, answer: asyncio.Future[R]) -> None:
        """Have a request done and its answer put into a future; from any thread."""
        with self._guard:
            self._waiting.append((ask, answer))
            idle, relief = self._running == 0, self._relief
            self._relief = self._relief or not idle
            self._running += idle
        if idle:
            self._pool.submit(self._run)
        elif not relief:
            answer.get_loop().call_soon_threadsafe(self._relieve_later, answer.get_loop())

    def close(self) -> None:
        """End the threads, once all that was handed over is done."""
        with self._guard:
            self._closed = True
        self._pool.shutdown()

    def _relieve_later(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(PATIENCE_S, self._relieve)

    def _relieve(self) -> None:
        """Let another thread begin with those who still wait."""
        with self._guard:
            self._relief = False
            wanted = bool(self._waiting) and self._running < self._threads and not self._closed
            self._running += wanted
        if wanted:
            self._pool.submit(self._run)

    def _run(self) -> None:
        while True:
            with self._guard:
                batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
                if not batch:
                    self._running -= 1
                    return
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
