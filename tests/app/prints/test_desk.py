"""Redemptions that wait for the chain: however many, and of whatever, none holds a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from app.auth.principals import PrinterPrincipal
from app.lane import Lane
from app.prints.desk import Desk
from app.together import Answers, Together
from ledger.outbox import OperationStatus
from ledger.waiting import Waiting

CROWD = 200
PATIENT_S = 3600.0


@dataclass(frozen=True)
class Way:
    """A redemption that has begun."""

    operation: str | None
    fresh: bool


@dataclass(frozen=True)
class Answer:
    """How far it came."""

    body: bytes | None


@dataclass
class Counter:
    """Begins and finishes by one thread, and counts what the test confirms."""

    timeout_s: float = PATIENT_S
    fresh: bool = True
    chain: Waiting = field(default_factory=lambda: Waiting(time.monotonic))
    confirmed: set[str] = field(default_factory=set)
    watched: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    looks: int = 0

    def __post_init__(self) -> None:
        self.lane = Lane("lane", threads_max=1)
        begin: Together[tuple[PrinterPrincipal, str], Way] = Together(self.lane, self._begin)
        finish: Together[Way, Answer] = Together(self.lane, self._finish)
        self.desk = Desk(begin, self._watch, finish, self.timeout_s)

    def _begin(self, asks: Sequence[tuple[PrinterPrincipal, str]]) -> Answers[Way]:
        return [Way(name, self.fresh) for _, name in asks]

    def _watch(self, operation: str, tell: Callable[[], None]) -> Callable[[], None]:
        self.watched.put_nowait(operation)
        return self.chain.watch(operation, tell)

    def _finish(self, ways: Sequence[Way]) -> Answers[Answer]:
        self.looks += len(ways)
        return [
            Answer((way.operation or "").encode() if way.operation in self.confirmed else None)
            for way in ways
        ]

    def confirm(self, *names: str) -> None:
        self.confirmed |= set(names)
        self.chain.publish([OperationStatus(name, "record_print", "confirmed") for name in names])

    async def redeem(self, name: str) -> bytes | None:
        return (await self.desk.redeem(PrinterPrincipal("prt_1", "org_1", name), name)).body


@pytest.fixture
def counter() -> Iterator[Counter]:
    made = Counter()
    yield made
    made.lane.close()


async def until_watched(counter: Counter, names: Sequence[str]) -> None:
    missing = set(names)
    while missing:
        missing.discard(await counter.watched.get())


class TestRedeem:
    def test_hundreds_wait_for_the_chain_at_one_thread(self, counter: Counter) -> None:
        names = [f"operation {number}" for number in range(CROWD)]

        async def crowd() -> list[bytes | None]:
            waiting = [asyncio.create_task(counter.redeem(name)) for name in names]
            await until_watched(counter, names)
            counter.confirm(*names)
            return await asyncio.gather(*waiting)

        assert asyncio.run(crowd()) == [name.encode() for name in names]
        assert not any(counter.chain.watched(name) for name in names)

    def test_one_that_waits_holds_up_no_other(self, counter: Counter) -> None:
        async def two() -> list[bytes | None]:
            slow = asyncio.create_task(counter.redeem("slow"))
            await until_watched(counter, ["slow"])
            quick = asyncio.create_task(counter.redeem("quick"))
            await until_watched(counter, ["quick"])
            counter.confirm("quick")
            first = await quick
            assert not slow.done()
            counter.confirm("slow")
            return [first, await slow]

        assert asyncio.run(two()) == [b"quick", b"slow"]

    def test_a_retry_looks_at_once_how_far_it_came(self, counter: Counter) -> None:
        counter.fresh = False
        counter.confirmed.add("old")
        assert asyncio.run(counter.redeem("old")) == b"old"
        assert counter.looks == 1

    def test_is_looked_at_once_however_often_the_chain_is_heard(self) -> None:
        class Insistent(Counter):
            def _watch(self, operation: str, tell: Callable[[], None]) -> Callable[[], None]:
                self.confirm(operation)
                for _ in range(3):
                    tell()
                return lambda: None

        insistent = Insistent()
        assert asyncio.run(insistent.redeem("loud")) == b"loud"
        insistent.lane.close()
        assert insistent.looks == 1

    def test_answers_without_a_body_when_its_time_is_over(self) -> None:
        impatient = Counter(timeout_s=0.0)
        assert asyncio.run(impatient.redeem("late")) is None
        assert not impatient.chain.watched("late")
        impatient.lane.close()
