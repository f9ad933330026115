"""`kill -9` of the service while a shredding is confirmed: acknowledged or not, never half and openable."""

from __future__ import annotations

import random
import secrets
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess
from tests.faults.data_folder import checked

WINDOW_S = 0.06
FINISH_S = 30.0


def wraps(data_dir: Path, revision_id: str) -> list[bytes]:
    with closing(sqlite3.connect(data_dir / "partvault.sqlite", timeout=20)) as connection:
        rows = connection.execute("select blob from wrapped_keys where object_id = ?", [revision_id])
        return [row[0] for row in rows]


def requested(market: Market, design_id: str) -> dict[str, Any]:
    return market.owner.expect(
        201,
        "POST",
        f"/v1/designs/{design_id}/shreddings",
        json={"reason": "end of life", "design_name": "Leg cap"},
        headers={"Idempotency-Key": secrets.token_hex(16)},
    )


def finished(market: Market, path: str) -> bool:
    """Wait until the service, by itself, has gone on with what it confirmed."""
    deadline = time.monotonic() + FINISH_S
    while time.monotonic() < deadline:
        if market.owner.expect(200, "GET", path)["state"] == "shredded":
            return True
        time.sleep(0.05)
    return False


class TestConfirm:
    @pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.slow)])
    def test_destroys_all_or_nothing(self, tmp_path: Path, rounds: int) -> None:
        with ServiceProcess(tmp_path / "data") as service:
            market = Market.open(service)
            moments = [WINDOW_S * (number + random.random()) / rounds for number in range(rounds)]
            for moment in moments:
                revision = market.published()
                path = f"/v1/shreddings/{requested(market, revision['design_id'])['id']}"
                kept = wraps(service.data_dir, revision["id"])
                assert len(kept) == 2
                acknowledged: list[int] = []

                def attempt(path: str = path, to: list[int] = acknowledged) -> None:
                    try:
                        to.append(market.operator.call("POST", f"{path}/confirm").status_code)
                    except httpx2.TransportError:
                        return

                sender = threading.Thread(target=attempt)
                sender.start()
                time.sleep(moment)
                service.kill()
                sender.join(timeout=60)
                left = wraps(service.data_dir, revision["id"])
                assert left == ([] if acknowledged else left), f"acknowledged after {moment * 1000:.0f} ms"
                assert left in ([], kept)
                assert checked(service.data_dir).ok
                service.start()
                market.follow(service)
                if left:
                    assert market.owner.expect(200, "GET", path)["state"] == "requested"
                    assert market.operator.call("POST", f"{path}/confirm").status_code in {200, 202}
                assert finished(market, path)
                assert checked(service.data_dir).ok
                files = [file for file in service.data_dir.rglob("*") if file.is_file()]
                assert not [file for file in files for blob in kept if blob in file.read_bytes()]
