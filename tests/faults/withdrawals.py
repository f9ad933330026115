"""Revocations raced by redemptions, and a quarantine under load, at one service or at two.

What a revocation promises: a redemption *sent* after the owner was answered that the chain has the revocation
is refused, by whichever service it reaches; and of those under way none is recorded behind it on the chain.
A release whose print is recorded before the revocation, in block and log order, is rightly had.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.e2e.parties import problem
from tests.faults.busy_market import Parties
from tests.faults.volley import open_client

AT_ONCE = 8
"""How many revocations run at a time: a redemption may wait for the chain meanwhile."""

RACERS = 4
"""How many redemptions race each revocation."""

MANY = 1000
SPREAD_S = 4.0
PAGE = 200


@dataclass
class Race:
    """A revocation and its racers: where their prints stand on chain, and how long refusals took after."""

    licence_hash: str
    recorded: list[tuple[int, int]]
    refused_after_s: float


@dataclass
class Course:
    """Where races are run, so many at a time; the side that wins starts later the next time.

    lead_s: by how much the redemptions start before the revocation, negative where after it
    """

    urls: tuple[str, str]
    parties: Parties
    lead_s: float = 0.5
    step_s: float = 0.05
    skew_s: float = 0.5
    lanes: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def run(self, races: int) -> list[Race]:
        """Run so many races of one redemption with a revocation each."""
        async with open_client() as client:
            return list(await asyncio.gather(*(self._race(client) for _ in range(races // RACERS))))

    async def _race(self, client: httpx2.AsyncClient) -> Race:
        async with self.lanes:
            here, there = random.sample(self.urls, 2)
            licence = await self.parties.license(client, here, prints=RACERS + 2)
            *racing, later = [await self._authorised(client, here, licence) for _ in range(RACERS + 1)]
            base_s = max(0.0, -self.lead_s) + self.skew_s

            async def redeem(made: dict[str, Any]) -> httpx2.Response:
                await asyncio.sleep(base_s + random.uniform(-self.skew_s, self.skew_s))
                return await self.parties.redeem(client, there, made)

            async def revoke() -> float:
                await asyncio.sleep(base_s + self.lead_s)
                await self.parties.revoke(client, here, licence)
                return await self._refused(client, there, licence, later)

            refused_after_s, *answers = await asyncio.gather(revoke(), *map(redeem, racing))
            recorded = [place for answer in answers if (place := _recorded(answer)) is not None]
            self.lead_s += self.step_s * (1 - 2 * len(recorded) / RACERS)
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


def _events(parties: Parties, name: str) -> dict[str, list[tuple[int, int]]]:
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
    revoked, recorded = _events(parties, "LicenceRevoked"), _events(parties, "PrintRecorded")
    for race in run:
        (revocation,) = revoked[race.licence_hash]
        prints = recorded.get(race.licence_hash, [])
        assert all(place < revocation for place in prints)
        assert set(race.recorded) <= set(prints)
    races, released = RACERS * len(run), sum(len(race.recorded) for race in run)
    assert 0 < released < races or races < MANY, "one side always won"
    took_ms = [1000 * race.refused_after_s for race in run]
    hundredths = statistics.quantiles(took_ms, n=100, method="inclusive")
    return (
        f"{races} redemptions raced {len(run)} revocations: {released} were released before theirs,"
        f" {races - released} refused, none released behind;"
        f" from the answered revocation to a refused redeem and authorise:"
        f" p50 {hundredths[49]:.0f} ms, p99 {hundredths[98]:.0f} ms, most {max(took_ms):.0f} ms"
    )


async def stopped(urls: tuple[str, str], parties: Parties, prints: int) -> str:
    """Put a machine in quarantine while its prints are redeemed at both; gives what is to be said.

    What is sent to either after the answer is refused. `prints` are tokens at one time, of which a licence
    has 128 at most (`app.prints.policy.SEQUENCE_WINDOW`).
    """
    async with open_client() as client:
        licence = await parties.license(client, urls[0], prints=prints)
        made = [(await parties.authorise(client, urls[0], licence)).json() for _ in range(prints)]
        released: list[tuple[float, float]] = []
        enough = asyncio.Event()

        async def redeem(number: int) -> None:
            await asyncio.sleep(SPREAD_S * number / prints)
            sent = time.monotonic()
            answer = await parties.redeem(client, urls[number % 2], made[number])
            assert answer.status_code in {200, 409}, answer.text
            if answer.status_code == 200:
                released.append((sent, time.monotonic()))
            if len(released) * 4 >= prints:
                enough.set()

        redeeming = [asyncio.create_task(redeem(number)) for number in range(prints)]
        await enough.wait()
        await parties.quarantine(client, urls[0])
        answered = time.monotonic()
        await asyncio.gather(*redeeming)
    assert len(released) < prints
    assert [sent for sent, _ in released if sent > answered] == []
    last_ms = 1000 * max(0.0, *(came - answered for _, came in released))
    return (
        f"{len(released)} of {prints} prints at two services were released, none of them sent after the"
        f" quarantine's answer; the last of those under way came {last_ms:.0f} ms after it"
    )
