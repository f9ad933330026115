"""`kill -9` of the service at every I/O and every await of a redemption, relay and indexer in it included.

Nobody chose the points: the interpreter lists them while a token is redeemed (`tests.faults.strikes`), then
the service dies once at each. Whatever the moment, the same retry at the next start gets the one release
there is, and the chain counts the print once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Market
from tests.e2e.parties import Printer
from tests.e2e.test_restart import audit
from tests.faults.strikes import by_kind, died, spread
from tests.faults.struck_service import StruckService
from tests.faults.volley import claim_of

RECORDINGS = 2
TRIES = 2
PRINTS = 100_000
KINDS_MET = {"database", "file", "socket", "wait", "await"}
THREADS_MET = {"MainThread", "partvault-relay", "partvault-sync"}
MISSED_PERCENT_MAX = 25
"""Some points are on the way of a thread only when another is slower; where it is not, the service lives."""


@dataclass
class Bench:
    """One service, one licence, one machine; every round takes a token of its own."""

    service: StruckService
    market: Market
    licence: dict[str, Any]
    printer: Printer
    redeemed: int = 0

    def redeem(self, due: str | None) -> tuple[list[str] | None, httpx2.Response | None, str, str]:
        """Redeem a new token; gives the points passed (None where it died), the answer, token and key."""
        token = self.market.provider.authorise(self.licence, self.printer)["token"]
        claim, key = claim_of(self.printer, token), secrets.token_hex(16)
        self.redeemed += 1
        self.service.arm(due)
        answer = None
        with suppress(httpx2.TransportError):
            answer = self.printer.redeem_claim(token, claim, key)
        return self.service.rest(), answer, token, key

    def restart(self) -> None:
        self.service.start()
        self.market.follow(self.service)
        self.printer.url = self.service.url

    def recorded(self) -> int:
        shown = self.market.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        return int(shown["prints_recorded"])

    def die_at(self, point: str) -> bool:
        """Have the service die there, and the same retry after; tells whether it met that point."""
        passed, first, token, key = self.redeem(point)
        if passed is None:
            self.restart()
        again = self.printer.redeem(token, key)
        assert again.status_code == 200, f"died at {point}: {again.text}"
        assert first is None or first.content == again.content, f"died at {point}: two answers"
        assert self.recorded() == self.redeemed, f"died at {point}: {again.text}"
        return passed is None


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("struck")
    with StruckService(folder / "data") as service:
        market = Market.open(service)
        licence = market.owner.license(market.published(), market.provider, prints=PRINTS)
        yield Bench(service, market, licence, market.provider.new_printer())


@pytest.fixture(scope="module")
def points(bench: Bench) -> list[str]:
    """Every point that one of some undisturbed redemptions passed, in order."""
    found: dict[str, None] = {}
    for _ in range(RECORDINGS):
        passed, answer, _, _ = bench.redeem(None)
        assert passed is not None
        assert answer is not None
        assert answer.status_code == 200
        found |= dict.fromkeys(passed)
    return list(found)


class TestRedeem:
    @pytest.mark.parametrize("deaths", [3, pytest.param(1_000_000, marks=pytest.mark.slow)])
    def test_the_same_retry_completes_with_one_count(
        self, bench: Bench, points: list[str], deaths: int, say: Callable[[str], None]
    ) -> None:
        assert {point.split("|")[1] for point in points} >= KINDS_MET
        assert {point.split("|")[0] for point in points} >= THREADS_MET
        chosen = spread(points, deaths)
        missed = [point for point in chosen if not any(bench.die_at(point) for _ in range(TRIES))]
        say(f"a redemption has {len(points)} points: {by_kind(points)}; {died(chosen, missed)}")
        assert 100 * len(missed) <= MISSED_PERCENT_MAX * len(chosen) + 100
        audited = audit(bench.service)
        assert audited.returncode == 0, audited.stdout + audited.stderr
