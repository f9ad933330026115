"""`kill -9` of the service while a print is redeemed: one count, one release, or a clean refusal."""

from __future__ import annotations

import random
import secrets
import threading
import time
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess

WINDOW_S = 0.06


def redeem_while_killed(market: Market, attempt: threading.Thread, delay_s: float) -> None:
    """Kill the service `delay_s` after the attempt began, and have it running again."""
    attempt.start()
    time.sleep(delay_s)
    market.service.kill()
    attempt.join(timeout=60)
    market.service.start()
    market.follow(market.service)


class TestRedeem:
    @pytest.mark.parametrize("rounds", [5, pytest.param(80, marks=pytest.mark.slow)])
    def test_the_same_retry_completes_with_one_count(self, tmp_path: Path, rounds: int) -> None:
        with ServiceProcess(tmp_path / "data") as service:
            market = Market.open(service)
            licence = market.owner.license(market.published(), market.provider, prints=rounds)
            printer = market.provider.new_printer()
            moments = [WINDOW_S * (number + random.random()) / rounds for number in range(rounds)]
            for number, moment in enumerate(moments, start=1):
                authorised = market.provider.authorise(licence, printer)
                key = secrets.token_hex(16)
                first: list[bytes] = []

                def attempt(
                    token: str = authorised["token"], key: str = key, to: list[bytes] = first
                ) -> None:
                    try:
                        answer = printer.redeem(token, key)
                    except httpx2.TransportError:
                        return
                    if answer.status_code == 200:
                        to.append(answer.content)

                redeem_while_killed(market, threading.Thread(target=attempt), moment)
                printer.url = service.url
                again = printer.redeem(authorised["token"], key)
                assert again.status_code == 200, f"killed after {moment * 1000:.0f} ms: {again.text}"
                assert first in ([], [again.content])
                shown = market.owner.expect(200, "GET", f"/v1/licences/{licence['id']}")
                assert shown["prints_recorded"] == number
