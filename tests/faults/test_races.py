"""One token with many redeemers, revocations and a quarantine, at two services on the same data."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from ledger.typed_data import PrintClaim
from tests.e2e.conftest import Market
from tests.e2e.parties import problem
from tests.e2e.service_process import ServiceProcess
from tests.faults.busy_market import Parties
from tests.faults.pair import DATABASES, Pair, running_pair
from tests.faults.volley import claim_of, fire, redeeming
from tests.faults.withdrawals import Course, judged, stopped

REDEEMERS, TAKEOVERS = 16, 5
WINDOW_S = 1.0


@pytest.fixture(scope="module", params=DATABASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def parties(pair: Pair) -> Parties:
    return Parties.of(pair.market)


class OneToken:
    """What two services make of one token, however many redeem it."""

    def __init__(self, pair: Pair, parties: Parties) -> None:
        self.pair, self.parties = pair, parties
        self.machines = [pair.at(service, parties.printer) for service in pair.services]

    def one_key(self, retries: int) -> None:
        """The same redemption so often at once: one release, byte for byte, and one count."""
        licence = self.licence(1)
        token = self.token(licence)
        claim, key = claim_of(self.machines[0], token), secrets.token_hex(16)
        answers = fire([redeeming(self.machines[n % 2], token, claim, key) for n in range(retries)])
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert self.recorded(licence) == 1

    def many_keys(self, rounds: int) -> None:
        """Redeemers that know nothing of each other: one winner each round."""
        licence = self.licence(rounds)
        for number in range(1, rounds + 1):
            token = self.token(licence)
            claim = claim_of(self.machines[0], token)
            keys = [secrets.token_hex(16) for _ in range(REDEEMERS)]
            answers = fire([redeeming(self.machines[n % 2], token, claim, key) for n, key in enumerate(keys)])
            refused = [answer for answer in answers if answer.status_code != 200]
            assert len(refused) == REDEEMERS - 1
            assert {problem(answer)["type"].rpartition(":")[2] for answer in refused} == {"token-spent"}
            assert self.recorded(licence) == number

    def cut_off(self, service: ServiceProcess, token: str, claim: PrintClaim, key: str) -> bytes | None:
        """Redeem at a service that is killed meanwhile; gives the release where one came."""
        machine = self.pair.at(service, self.parties.printer)

        def redeem() -> bytes | None:
            try:
                answer = machine.redeem_claim(token, claim, key)
            except httpx2.TransportError:
                return None
            return answer.content if answer.status_code == 200 else None

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(redeem)
            time.sleep(random.uniform(0, WINDOW_S))
            service.kill()
            return running.result()

    def licence(self, prints: int) -> str:
        revision = {"id": self.parties.revision}
        body = self.pair.market.owner.licence_request(revision, self.pair.market.provider, prints=prints)
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        made = self.parties.owner.expect(201, "POST", "/v1/licences", json=body, headers=headers)
        return str(made["id"])

    def recorded(self, licence: str) -> int:
        shown = self.parties.owner.expect(200, "GET", f"/v1/licences/{licence}")
        return int(shown["prints_recorded"])

    def token(self, licence: str) -> str:
        made = self.pair.market.provider.authorise({"id": licence}, self.parties.printer)
        return str(made["token"])


class TestSlice:
    def test_every_kind_of_race(self, pair: Pair, parties: Parties, say: Callable[[str], None]) -> None:
        """A little of all that the long races below are."""
        race = OneToken(pair, parties)
        race.one_key(retries=32)
        race.many_keys(rounds=2)
        course = Course(pair.urls, parties, lead_s=1.0, skew_s=1.0)
        say(judged(parties, asyncio.run(course.run(20))))
        say(asyncio.run(stopped(pair.urls, Parties.of(pair.market), 12)))


@pytest.mark.slow
class TestOneToken:
    def test_a_thousand_parallel_redemptions_are_one_release(self, pair: Pair, parties: Parties) -> None:
        OneToken(pair, parties).one_key(retries=1000)

    def test_a_hundred_rounds_have_one_winner_each(self, pair: Pair, parties: Parties) -> None:
        OneToken(pair, parties).many_keys(rounds=100)


@pytest.mark.slow
class TestRevoke:
    def test_nothing_is_released_behind_it_at_either_service(
        self, pair: Pair, parties: Parties, say: Callable[[str], None]
    ) -> None:
        say(judged(parties, asyncio.run(Course(pair.urls, parties).run(1000))))

    def test_nothing_is_released_behind_it_in_ten_thousand_races(
        self, tmp_path: Path, say: Callable[[str], None]
    ) -> None:
        """At one service with its embedded chain, where ten thousand are had in minutes."""
        with ServiceProcess(tmp_path / "data") as service:
            parties = Parties.of(Market.open(service))
            course = Course((service.url, service.url), parties, lead_s=0.05, step_s=0.01, skew_s=0.05)
            say(judged(parties, asyncio.run(course.run(10_000))))


@pytest.mark.slow
class TestTakeover:
    def test_the_other_service_completes_what_a_dead_one_carried(
        self, pair: Pair, parties: Parties, say: Callable[[str], None]
    ) -> None:
        """Relay and index are led by leases: the one that leads is killed while it redeems, every time."""
        race, waited = OneToken(pair, parties), []
        licence = race.licence(TAKEOVERS)
        for number in range(1, TAKEOVERS + 1):
            leader, other = pair.leader_first()
            token = race.token(licence)
            claim, key = claim_of(pair.at(other, parties.printer), token), secrets.token_hex(16)
            first = race.cut_off(leader, token, claim, key)
            began = time.monotonic()
            (again,) = fire([redeeming(pair.at(other, parties.printer), token, claim, key)])
            waited.append(time.monotonic() - began)
            assert again.status_code == 200, again.text
            assert first in (None, again.content)
            leader.start()
            pair.market.follow(pair.first)
            parties.follow(pair.first)
            assert race.recorded(licence) == number
        say(f"{TAKEOVERS} leaders killed; the other service released after {max(waited):.1f} s at the most")


@pytest.mark.slow
class TestQuarantine:
    def test_stops_releases_everywhere_at_once(self, pair: Pair, say: Callable[[str], None]) -> None:
        say(asyncio.run(stopped(pair.urls, Parties.of(pair.market), 120)))
