"""`kill -9` of the service at every I/O and every await of a redemption, relay and indexer in it included.

Nobody chose the points: the interpreter lists them while a token is redeemed (`tests.faults.strikes`), then
the service dies once at each. Whatever the moment, the same retry at the next start gets the one release
there is, and the chain counts the print once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Market
from tests.e2e.parties import Owner, Printer, Provider
from tests.faults.struck_redemption import Bench, Redeem
from tests.faults.struck_service import StruckService
from tests.faults.volley import claim_of

PRINTS = 100_000


@dataclass
class PrintTokens:
    """Tokens for prints of one licence."""

    owner: Owner
    provider: Provider
    licence: dict[str, Any]
    printer: Printer
    counted: tuple[int, ...] = (1,)
    print_ids: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, market: Market) -> PrintTokens:
        licence = market.owner.license(market.published(), market.provider, prints=PRINTS)
        return cls(market.owner, market.provider, licence, market.provider.new_printer())

    def new(self) -> Redeem:
        made = self.provider.authorise(self.licence, self.printer)
        self.print_ids, token = [made["id"]], made["token"]
        claim = claim_of(self.printer, token)
        return lambda key: self.printer.redeem_claim(token, claim, key)

    def recorded(self) -> list[int]:
        shown = self.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        return [int(shown["prints_recorded"])]

    def releases(self, answer: httpx2.Response) -> list[dict[str, Any]]:
        return [answer.json()]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("struck")
    with StruckService(folder / "data") as service:
        market = Market.open(service)
        yield Bench(service, market, PrintTokens.of(market))


@pytest.fixture(scope="module")
def points(bench: Bench) -> list[str]:
    return bench.points()


class TestRedeem:
    @pytest.mark.parametrize("deaths", [3, pytest.param(1_000_000, marks=pytest.mark.slow)])
    def test_the_same_retry_completes_with_one_count(
        self, bench: Bench, points: list[str], deaths: int, say: Callable[[str], None]
    ) -> None:
        say(f"a redemption has {bench.die(points, deaths)}")
