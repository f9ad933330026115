"""One token, many redeemers, two services on the same data: one release and one count."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.parties import Printer, problem
from tests.faults.pair import DATABASES, Pair, running_pair
from tests.faults.volley import claim_of, fire, redeeming

RETRIES = [64, pytest.param(1000, marks=pytest.mark.slow)]
ROUNDS = [2, pytest.param(100, marks=pytest.mark.slow)]
REDEEMERS = 16


@pytest.fixture(scope="module", params=DATABASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running_pair(tmp_path_factory.mktemp("pair"), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def revision(pair: Pair) -> dict[str, Any]:
    return pair.market.published()


@pytest.fixture(scope="module")
def machine(pair: Pair) -> Printer:
    return pair.market.provider.new_printer()


class TestOneKey:
    @pytest.mark.parametrize("retries", RETRIES)
    def test_gets_one_release_however_often_it_asks(
        self, pair: Pair, revision: dict[str, Any], machine: Printer, retries: int
    ) -> None:
        licence = pair.market.owner.license(revision, pair.market.provider)
        token = pair.market.provider.authorise(licence, machine)["token"]
        claim, key = claim_of(machine, token), secrets.token_hex(16)
        clients = pair.printers(machine)
        answers = fire([redeeming(clients[n % 2], token, claim, key) for n in range(retries)])
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert pair.recorded(licence["id"]) == 1


class TestManyKeys:
    @pytest.mark.parametrize("rounds", ROUNDS)
    def test_have_one_winner_each_round(
        self, pair: Pair, revision: dict[str, Any], machine: Printer, rounds: int
    ) -> None:
        licence = pair.market.owner.license(revision, pair.market.provider, prints=rounds)
        clients = pair.printers(machine)
        for number in range(1, rounds + 1):
            token = pair.market.provider.authorise(licence, machine)["token"]
            claim = claim_of(machine, token)
            keys = [secrets.token_hex(16) for _ in range(REDEEMERS)]
            answers = fire([redeeming(clients[n % 2], token, claim, key) for n, key in enumerate(keys)])
            refused = [answer for answer in answers if answer.status_code != 200]
            assert len(refused) == REDEEMERS - 1
            assert {problem(answer)["type"].rpartition(":")[2] for answer in refused} == {"token-spent"}
            assert pair.recorded(licence["id"]) == number
