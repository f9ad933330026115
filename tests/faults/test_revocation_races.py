"""Revocations that race redemptions over two services, and a quarantine under load.

What a revocation promises: a redemption *sent* after the owner was answered that the chain has the revocation
is refused, by whichever service it reaches; and of those under way none is recorded behind it on the chain.
A release whose print is recorded before the revocation, in block and log order, is rightly had.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Market
from tests.e2e.parties import problem
from tests.e2e.service_process import ServiceProcess
from tests.faults.market_races import Parties
from tests.faults.pair import DATABASES, Pair, running_pair
from tests.faults.volley import PATIENCE_S

AT_ONCE = 8
"""How many races run at a time: a redemption may wait for the chain meanwhile."""

MANY = 1000
SPREAD_S = 4.0
RACES = [20, pytest.param(1_000, marks=pytest.mark.slow)]
RACES_ALONE = 10_000
PRINTS = [16, pytest.param(400, marks=pytest.mark.slow)]
PAGE = 200


@pytest.fixture(scope="module", params=DATABASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def parties(pair: Pair) -> Parties:
    return Parties.of(pair.market)


@dataclass
class Race:
    """How one went: where the released print stands on chain, and how long refusals took to come."""

    licence_hash: str
    recorded: tuple[int, int] | None
    refused_after_s: float


@dataclass
class Course:
    """Where races are run, so many at a time; a side that wins starts later the next time.

    lead_s: by how much the redemption starts before the revocation, negative where after it
    """

    urls: tuple[str, str]
    parties: Parties
    lead_s: float = 0.5
    step_s: float = 0.1
    skew_s: float = 0.5
    lanes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self, races: int) -> list[Race]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(timeout=PATIENCE_S, limits=limits, verify=False) as client:
            return list(await asyncio.gather(*(self._race(client) for _ in range(races))))

    async def _race(self, client: httpx2.AsyncClient) -> Race:
        async with self.lanes:
            here, there = random.sample(self.urls, 2)
            licence = await self.parties.license(client, here, prints=3)
            racing, later = [await self._authorised(client, here, licence) for _ in range(2)]
            lead_s = self.lead_s + random.uniform(-self.skew_s, self.skew_s)

            async def redeem() -> httpx2.Response:
                await asyncio.sleep(max(0.0, -lead_s))
                return await self.parties.redeem(client, there, racing)

            async def revoke() -> float:
                await asyncio.sleep(max(0.0, lead_s))
                await self.parties.revoke(client, here, licence)
                return await self._refused(client, there, licence, later)

            answer, refused_after_s = await asyncio.gather(redeem(), revoke())
            recorded = _recorded(answer)
            self.lead_s += self.step_s if recorded is None else -self.step_s
            return Race(licence["licence_hash"], recorded, refused_after_s)

    async def _authorised(
        self, client: httpx2.AsyncClient, url: str, licence: dict[str, Any]
    ) -> dict[str, Any]:
        answer = await self.parties.authorise(client, url, licence)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def _refused(
        self, client: httpx2.AsyncClient, url: str, licence: dict[str, Any], later: dict[str, Any]
    ) -> float:
        """What is sent after the answer is refused, the first time; gives how long the refusals took."""
        answered = time.monotonic()
        redeemed, authorised = await asyncio.gather(
            self.parties.redeem(client, url, later), self.parties.authorise(client, url, licence)
        )
        for answer in (redeemed, authorised):
            reasons = {reason["code"] for reason in problem(answer).get("reasons", ())}
            assert answer.status_code == 409, answer.text
            assert "licence_revoked" in reasons, answer.text
        return time.monotonic() - answered


def _recorded(answer: httpx2.Response) -> tuple[int, int] | None:
    """Where the chain recorded a released print, None where it was refused."""
    if answer.status_code != 200:
        assert answer.status_code == 409, answer.text
        return None
    receipt = answer.json()["receipt"]
    return receipt["block_number"], receipt["log_index"]


def events(parties: Parties, name: str) -> dict[str, list[tuple[int, int]]]:
    """Where events of a name stand on chain, by licence."""
    found: dict[str, list[tuple[int, int]]] = {}
    cursor = None
    while True:
        query = {"limit": str(PAGE), **({"cursor": cursor} if cursor else {})}
        page = parties.owner.expect(200, "GET", "/v1/ledger/events", params=query)
        for event in page["items"]:
            if event["name"] == name:
                found.setdefault(event["licence_hash"], []).append(
                    (event["block_number"], event["log_index"])
                )
        cursor = page["next_cursor"]
        if not cursor:
            return found


def judged(parties: Parties, run: list[Race]) -> str:
    """Hold every race against the chain; gives what is to be said."""
    revoked, recorded = events(parties, "LicenceRevoked"), events(parties, "PrintRecorded")
    for race in run:
        (revocation,) = revoked[race.licence_hash]
        prints = recorded.get(race.licence_hash, [])
        assert all(place < revocation for place in prints)
        assert race.recorded is None or prints == [race.recorded]
    released = sum(race.recorded is not None for race in run)
    assert 0 < released < len(run) or len(run) < MANY, "one side always won"
    took_ms = [1000 * race.refused_after_s for race in run]
    hundredths = statistics.quantiles(took_ms, n=100, method="inclusive")
    return (
        f"{len(run)} races: {released} released before their revocation, {len(run) - released} refused,"
        f" none behind; from the answered revocation to a refused redeem and authorise:"
        f" p50 {hundredths[49]:.0f} ms, p99 {hundredths[98]:.0f} ms, most {max(took_ms):.0f} ms"
    )


class TestRevoke:
    @pytest.mark.parametrize("races", RACES)
    def test_nothing_is_released_behind_it_at_either_service(
        self, pair: Pair, parties: Parties, races: int, say: Callable[[str], None]
    ) -> None:
        say(judged(parties, asyncio.run(Course(pair.urls, parties).run(races))))

    @pytest.mark.slow
    def test_nothing_is_released_behind_it_in_ten_thousand_races(
        self, tmp_path: Path, say: Callable[[str], None]
    ) -> None:
        """At one service with its embedded chain, where ten thousand are had in minutes."""
        with ServiceProcess(tmp_path / "data") as service:
            parties = Parties.of(Market.open(service))
            course = Course((service.url, service.url), parties, lead_s=0.0, step_s=0.002, skew_s=0.02)
            say(judged(parties, asyncio.run(course.run(RACES_ALONE))))


class TestQuarantine:
    @pytest.mark.parametrize("prints", PRINTS)
    def test_stops_releases_everywhere_at_once(
        self, pair: Pair, prints: int, say: Callable[[str], None]
    ) -> None:
        """What is sent to either service after its answer is refused; the last release under way is told."""
        sent_behind, last_ms = asyncio.run(self._stopped(pair, Parties.of(pair.market), prints))
        assert sent_behind == []
        say(f"{prints} prints at two services; the last release came {last_ms:.0f} ms after the answer")

    async def _stopped(self, pair: Pair, parties: Parties, prints: int) -> tuple[list[float], float]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(timeout=PATIENCE_S, limits=limits, verify=False) as client:
            licence = await parties.license(client, pair.first.url, prints=prints)
            made = [(await parties.authorise(client, pair.first.url, licence)).json() for _ in range(prints)]
            released: list[tuple[float, float]] = []
            enough = asyncio.Event()

            async def redeem(number: int) -> None:
                await asyncio.sleep(SPREAD_S * number / prints)
                sent = time.monotonic()
                answer = await parties.redeem(client, pair.urls[number % 2], made[number])
                assert answer.status_code in {200, 409}, answer.text
                if answer.status_code == 200:
                    released.append((sent, time.monotonic()))
                if len(released) * 4 >= prints:
                    enough.set()

            redeeming = [asyncio.create_task(redeem(number)) for number in range(prints)]
            await enough.wait()
            answered = await self._quarantined(client, pair, parties)
            await asyncio.gather(*redeeming)
            assert len(released) < prints
        last = max(came for _, came in released)
        return [sent for sent, _ in released if sent > answered], 1000 * (last - answered)

    async def _quarantined(self, client: httpx2.AsyncClient, pair: Pair, parties: Parties) -> float:
        """Put the machine in quarantine at the first service; gives when that was answered."""
        path = f"{pair.first.url}/v1/printers/{parties.printer.id}/quarantine"
        headers = {"Authorization": f"Bearer {parties.provider.api_key}"}
        stop = await client.post(path, json={"reason": "smoke"}, headers=headers)
        assert stop.status_code == 200, stop.text
        return time.monotonic()
