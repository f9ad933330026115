"""State over restarts: polite ones, `kill -9` of the service, and `kill -9` of the chain."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess


def ledger_view(market: Market) -> list[Any]:
    """Every event the owner may see, in order, and its licences' counts."""
    events, cursor = [], None
    while True:
        page = market.owner.expect(
            200, "GET", "/v1/ledger/events", params={"limit": "100", **({"cursor": cursor} if cursor else {})}
        )
        events += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    licences = market.owner.expect(200, "GET", "/v1/licences")["items"]
    return [events, [(x["id"], x["state"], x["prints_recorded"], x["credited"]) for x in licences]]


def audit(service: ServiceProcess) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("partvault"), "audit"]
    environment = {"PATH": "/usr/bin:/bin", "PARTVAULT_DATA_DIR": str(service.data_dir)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def end(service: ServiceProcess, how: str) -> None:
    """End the service or its chain in the named way, and have both running again."""
    if how == "stop":
        service.stop()
        service.start()
    elif how == "kill service":
        service.kill()
        service.start()
    elif how == "kill chain":
        chain = service.chain_process()
        chain.kill()
        _until_replaced(service, chain.pid)
    else:
        chain = service.chain_process()
        service.kill()
        if chain.is_running():
            chain.kill()
        service.start()


def _until_replaced(service: ServiceProcess, old: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx2.TransportError, ValueError):  # no answer, or no chain, for a moment
            ready = httpx2.get(f"{service.url}/readyz", timeout=5).status_code == 200
            if ready and service.chain_process().pid != old:
                return
        time.sleep(0.05)
    raise AssertionError(f"the chain did not come back:\n{service.tail()}")


class TestState:
    @pytest.mark.parametrize("how", ["stop", "kill service", "kill chain", "kill both"])
    def test_is_all_back(self, tmp_path: Path, how: str) -> None:
        with ServiceProcess(tmp_path / "data", relative=True) as service:
            market = Market.open(service)
            licence = market.owner.license(market.published(), market.provider, prints=3, reprints=1)
            printer = market.provider.new_printer()
            first = printer.redeem(market.provider.authorise(licence, printer)["token"]).json()
            assert printer.report(first, licence["licence_hash"], 1, result=2).status_code == 200
            waiting = market.provider.authorise(licence, printer)
            before = ledger_view(market)

            end(service, how)

            market.follow(service)
            printer.url = service.url
            assert ledger_view(market) == before
            assert printer.redeem(waiting["token"]).status_code == 200
            audited = audit(service)
            assert audited.returncode == 0, audited.stdout + audited.stderr

    def test_survives_repeated_kills(self, tmp_path: Path) -> None:
        with ServiceProcess(tmp_path / "data") as service:
            market = Market.open(service)
            licence = market.owner.license(market.published(), market.provider, prints=3)
            printer = market.provider.new_printer()
            for number in range(1, 3):
                token = market.provider.authorise(licence, printer)["token"]
                assert printer.redeem(token).json()["receipt"]["block_number"] > 0
                end(service, "kill both")
                market.follow(service)
                printer.url = service.url
                shown = market.owner.expect(200, "GET", f"/v1/licences/{licence['id']}")
                assert shown["prints_recorded"] == number
            assert audit(service).returncode == 0
