"""`kill -9` of the service at every I/O and every await of a plate's redemption.

As `test_redeem_kills` does with single prints: nobody chose the points. Whatever the moment, the same retry
at the next start gets the same bytes, with a key for every print of the plate, and the chain has counted
each of them once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ledger.typed_data import Plate, PrintClaim
from tests.e2e.conftest import Market
from tests.e2e.parties import Owner, Printer, Provider
from tests.faults.struck_redemption import Bench, Redeem
from tests.faults.struck_service import StruckService

PRINTS = 100_000


@dataclass
class PlateTokens:
    """Tokens for plates of two licences: two prints of the first, one of the second."""

    owner: Owner
    provider: Provider
    licences: list[dict[str, Any]]
    printer: Printer
    counted: tuple[int, ...] = (2, 1)
    print_ids: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, market: Market) -> PlateTokens:
        revision = market.published()
        licences = [market.owner.license(revision, market.provider, prints=PRINTS) for _ in range(2)]
        return cls(market.owner, market.provider, licences, market.provider.new_printer())

    def new(self) -> Redeem:
        parts = [
            {"licence_id": licence["id"], "count": count}
            for licence, count in zip(self.licences, self.counted, strict=True)
        ]
        request = {"printer_id": self.printer.id, "parts": parts}
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        made = self.provider.expect(201, "POST", "/v1/plates", json=request, headers=headers)
        self.print_ids = [each["print_id"] for each in made["prints"]]
        return self._redeeming(made["token"])

    def _redeeming(self, token: str) -> Redeem:
        shown = self.printer.call("GET", "/v1/plates/claim", token)
        assert shown.status_code == 200, shown.text
        claims = [PrintClaim.from_json(part["claim"]) for part in shown.json()["parts"]]
        signature = self.printer.sign(Plate.of(claims))
        body = {"claims": [claim.to_json() for claim in claims], "signature": signature}
        return lambda key: self.printer.call(
            "POST", "/v1/plates/redeem", token, json=body, headers={"Idempotency-Key": key}
        )

    def recorded(self) -> list[int]:
        shown = [self.owner.expect(200, "GET", f"/v1/licences/{licence['id']}") for licence in self.licences]
        return [int(each["prints_recorded"]) for each in shown]

    def releases(self, answer: httpx2.Response) -> list[dict[str, Any]]:
        return list(answer.json()["releases"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder: Path = tmp_path_factory.mktemp("struck")
    with StruckService(folder / "data") as service:
        market = Market.open(service)
        yield Bench(service, market, PlateTokens.of(market))


@pytest.fixture(scope="module")
def points(bench: Bench) -> list[str]:
    return bench.points()


class TestRedeem:
    @pytest.mark.parametrize("deaths", [2, pytest.param(1_000_000, marks=pytest.mark.slow)])
    def test_the_same_retry_releases_the_whole_plate_with_one_count_of_each(
        self, bench: Bench, points: list[str], deaths: int, say: Callable[[str], None]
    ) -> None:
        say(f"a plate's redemption has {bench.die(points, deaths)}")
