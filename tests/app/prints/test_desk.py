"""Redemptions that wait for the chain: however many, and of whatever, none holds a thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.auth.principals import PrinterPrincipal
from app.database import Database, open_database, upgrade
from app.errors import TokenSpent
from app.lane import Lane
from app.models import Organisation
from app.prints.desk import Desk, begun_by, finished_by
from app.together import Answers, Together
from ledger.outbox import OperationStatus
from ledger.waiting import Waiting
from tests.ledger.disks import syncs_noted

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


class TestDisk:
    """A redemption waits for it before it is answered, and not before."""

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        opened = open_database(f"sqlite:///{tmp_path / 'x.sqlite'}")
        upgrade(opened)
        yield opened
        opened.close()

    @pytest.fixture
    def syncs(self, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        return syncs_noted(monkeypatch, tmp_path)

    def write(self, database: Database) -> None:
        with database.write() as session:
            session.add(Organisation(id="org_a", name="a", roles=["owner"], created_at=1))
        with database.read() as session:
            assert session.get(Organisation, "org_a") is not None

    def test_is_not_waited_for_by_who_begins(self, database: Database, syncs: list[str]) -> None:
        def begin() -> list[Way | Exception]:
            self.write(database)
            return [Way("one", fresh=True)]

        assert begun_by(database, begin) == [Way("one", fresh=True)]
        assert syncs == []

    @pytest.mark.parametrize("raised", [False, True])
    def test_is_waited_for_by_who_is_refused(
        self, database: Database, syncs: list[str], raised: bool
    ) -> None:
        refusal = TokenSpent("the token was redeemed before")

        def begin() -> list[Way | Exception]:
            self.write(database)
            if raised:
                raise refusal
            return [Way("one", fresh=True), refusal]

        with pytest.raises(TokenSpent) if raised else nullcontext():
            assert begun_by(database, begin)[1] is refusal
        assert syncs == ["x.sqlite-wal"]

    @pytest.mark.parametrize("raised", [False, True])
    def test_is_waited_for_once_by_who_finishes(
        self, database: Database, syncs: list[str], raised: bool
    ) -> None:
        def finish() -> list[Answer | Exception]:
            self.write(database)
            if raised:
                raise OSError("no object store")
            assert syncs == []
            return [Answer(b"release")]

        with pytest.raises(OSError, match="no object store") if raised else nullcontext():
            assert finished_by(database, finish) == [Answer(b"release")]
        assert syncs == ["x.sqlite-wal"]
