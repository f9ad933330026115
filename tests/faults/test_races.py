"""One token with many redeemers, revocations and a quarantine, at two services on the same data."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Market
from tests.e2e.parties import problem
from tests.e2e.service_process import ServiceProcess
from tests.faults.busy_market import Parties
from tests.faults.pair import DATABASES, Pair, running_pair
from tests.faults.volley import claim_of, fire, redeeming
from tests.faults.withdrawals import Course, judged, stopped

REDEEMERS = 16


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
        self.machines = pair.printers(parties.printer)

    def one_key(self, retries: int) -> None:
        """The same redemption so often at once: one release, byte for byte, and one count."""
        licence = self._licence(1)
        token = self._token(licence)
        claim, key = claim_of(self.machines[0], token), secrets.token_hex(16)
        answers = fire([redeeming(self.machines[n % 2], token, claim, key) for n in range(retries)])
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert self._recorded(licence) == 1

    def many_keys(self, rounds: int) -> None:
        """Redeemers that know nothing of each other: one winner each round."""
        licence = self._licence(rounds)
        for number in range(1, rounds + 1):
            token = self._token(licence)
            claim = claim_of(self.machines[0], token)
            keys = [secrets.token_hex(16) for _ in range(REDEEMERS)]
            answers = fire([redeeming(self.machines[n % 2], token, claim, key) for n, key in enumerate(keys)])
            refused = [answer for answer in answers if answer.status_code != 200]
            assert len(refused) == REDEEMERS - 1
            assert {problem(answer)["type"].rpartition(":")[2] for answer in refused} == {"token-spent"}
            assert self._recorded(licence) == number

    def _licence(self, prints: int) -> str:
        revision = {"id": self.parties.revision}
        body = self.pair.market.owner.licence_request(revision, self.pair.market.provider, prints=prints)
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        made = self.parties.owner.expect(201, "POST", "/v1/licences", json=body, headers=headers)
        return str(made["id"])

    def _recorded(self, licence: str) -> int:
        shown = self.parties.owner.expect(200, "GET", f"/v1/licences/{licence}")
        return int(shown["prints_recorded"])

    def _token(self, licence: str) -> str:
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
class TestQuarantine:
    def test_stops_releases_everywhere_at_once(self, pair: Pair, say: Callable[[str], None]) -> None:
        say(asyncio.run(stopped(pair.urls, Parties.of(pair.market), 400)))
