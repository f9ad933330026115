"""A plate on a real host: from two owners' parts to the end of one build, with an outcome for each print.

One licence's part stands as its file has it, the other's is turned by its recipe. They are sliced as one mesh
and printed as one file; afterwards nothing of either, nor of their toolpath, lies in any folder of host,
agent or service.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.print_audit import audit_print
from ledger.print_evidence import parse
from mesh_tools.arrange import GAP_MM
from printer_agent.inbox import inbox_of
from tests.e2e.conftest import Market
from tests.e2e.parties import Owner
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess
from tests.printer_agent.drivers.test_end_to_end import Shop, shop_with, slicer
from tests.printer_agent.hosts.octoprint import RunningHost

__all__ = ["slicer"]

LYING, STANDING = box((20, 12, 3)), box((3, 14, 18))
WIDTH_MM, HEIGHT_MM = 20 + GAP_MM + 18, 3
"""Of the two beside each other, both lying."""
LINE_MM = 0.5
"""As wide, and as high, as what the nozzle lays down may be."""
KINDS = ["publish", "grant", "enrol", "record_print", "record_outcome"]


@dataclass
class PlateShop:
    """A provider's machine, and licences of two owners for it."""

    shop: Shop
    licences: list[tuple[Owner, dict[str, Any]]]

    def order(self) -> list[str]:
        """Authorise a plate of one print of each licence and drop its token; give the prints' ids."""
        parts = [{"licence_id": licence["id"]} for _, licence in self.licences]
        request = {"printer_id": self.shop.printer_id, "parts": parts}
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        made = self.shop.market.provider.expect(201, "POST", "/v1/plates", json=request, headers=headers)
        part = inbox_of(self.shop.home) / "plate.part"
        part.write_text(made["token"] + "\n")
        part.rename(part.with_suffix(".token"))
        return [each["print_id"] for each in made["prints"]]

    def ended(self, print_ids: list[str]) -> list[str]:
        return [self.shop.ended(print_id) for print_id in print_ids]

    def on_chain(self, print_ids: list[str]) -> list[tuple[list[str], list[str]]]:
        """What the evidence of each print holds, and what is wrong with it."""
        return [self._audited(print_id) for print_id in print_ids]

    def _audited(self, print_id: str) -> tuple[list[str], list[str]]:
        shown = self.shop.market.provider.expect(200, "GET", f"/v1/prints/{print_id}/evidence")
        report = audit_print(parse(json.dumps(shown)))
        kinds = [each["operation"]["kind"] for each in shown["operations"]]
        return kinds, [str(finding) for finding in report.findings]

    def counts(self) -> list[tuple[int, int]]:
        """Prints recorded and credited, of each licence."""
        shown = [
            owner.expect(200, "GET", f"/v1/licences/{licence['id']}") for owner, licence in self.licences
        ]
        return [(each["prints_recorded"], each["credited"]) for each in shown]


def size_of(toolpath: Path) -> tuple[float, float]:
    """How wide and how high a toolpath builds, in mm: above 1 mm, where it lays down parts alone."""
    wide, height, high = [], 0.0, 0.0
    for line in toolpath.read_text().splitlines():
        words = {word[0]: float(word[1:]) for word in line.split(";")[0].split()[1:] if line[:3] == "G1 "}
        height = words.get("Z", height)
        if height > 1 and "X" in words and words.get("E", 0.0) > 0:
            wide.append(words["X"])
            high = max(high, height)
    return max(wide) - min(wide), high


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    with ServiceProcess(tmp_path_factory.mktemp("market") / "data") as service:
        yield Market.open(service)


@pytest.fixture(scope="module")
def other(market: Market) -> Owner:
    return Owner.of(market.operator.new_organisation("Beta Lamps", "owner"))


@pytest.fixture
def plates(
    slicer: None, octoprint_host: RunningHost, market: Market, other: Owner, tmp_path: Path
) -> PlateShop:
    shop = shop_with(octoprint_host, market, tmp_path, LYING)
    turned = other.publish(other.upload(STANDING, orientation=[1, 0, 0]))
    licence = other.license(turned, market.provider, prints=4, reprints=2)
    shop.seen.append(STANDING[84:284])
    return PlateShop(shop, [(market.owner, shop.licence), (other, licence)])


@pytest.mark.slow
class TestPlate:
    def test_prints_both_parts_by_one_start_and_leaves_nothing(self, plates: PlateShop) -> None:
        shop = plates.shop
        with shop.agent():
            prints = plates.order()
            name = shop.printing()
            wide, high = size_of(shop.host.disk / "octoprint" / "uploads" / name)
            assert plates.ended(prints) == ["completed"] * 2
        assert (wide, high) == (pytest.approx(WIDTH_MM, abs=LINE_MM), pytest.approx(HEIGHT_MM, abs=LINE_MM))
        assert shop.host.outcomes(name) == ["PrintStarted", "PrintDone"]
        assert plates.counts() == [(1, 0)] * 2
        assert plates.on_chain(prints) == [(KINDS, [])] * 2
        assert shop.left_in_the_clear() == []

    def test_a_broken_machine_fails_and_credits_both(self, plates: PlateShop) -> None:
        shop = plates.shop
        with shop.agent():
            prints = plates.order()
            name = shop.printing()
            shop.host.break_down()
            assert plates.ended(prints) == ["failed"] * 2
            shop.host.repair()
        assert shop.host.outcomes(name) == ["PrintStarted", "PrintFailed"]
        assert plates.counts() == [(1, 1)] * 2
        assert plates.on_chain(prints) == [(KINDS, [])] * 2
        assert shop.left_in_the_clear() == []

    def test_is_followed_over_the_agents_death(self, plates: PlateShop) -> None:
        shop = plates.shop
        with shop.agent() as agent:
            prints = plates.order()
            name = shop.printing()
            os.kill(agent.pid, signal.SIGKILL)
        assert [shop.state(print_id) for print_id in prints] == ["redeemed"] * 2
        with shop.agent():
            assert plates.ended(prints) == ["completed"] * 2
        assert shop.host.outcomes(name) == ["PrintStarted", "PrintDone"]
        assert plates.counts() == [(1, 0)] * 2
        assert list(inbox_of(shop.home).iterdir()) == []
        assert shop.left_in_the_clear() == []
