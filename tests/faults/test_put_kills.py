"""`kill -9` of the service during uploads: nothing acknowledged is lost, nothing half is visible."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.fsck.report import Problem
from tests.e2e.conftest import Market
from tests.e2e.service_process import ServiceProcess
from tests.faults.data_folder import checked

PIECES, PIECE = 16, bytes(128 * 1024)
WINDOW_S = 0.25


def body() -> Iterator[bytes]:
    """A file that takes a while to send."""
    for _ in range(PIECES):
        yield PIECE
        time.sleep(WINDOW_S / PIECES / 2)


class TestUpload:
    @pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.slow)])
    def test_is_whole_or_not_there(self, tmp_path: Path, rounds: int) -> None:
        with ServiceProcess(tmp_path / "data") as service:
            market = Market.open(service)
            moments = [WINDOW_S * (number + random.random()) / rounds for number in range(rounds)]
            for moment in moments:
                revision = market.owner.draft()
                path = f"/v1/revisions/{revision['id']}"
                acknowledged: list[int] = []

                def attempt(path: str = path, to: list[int] = acknowledged) -> None:
                    try:
                        answer = market.owner.call(
                            "PUT", f"{path}/file", params={"filename": "part.stl"}, content=body()
                        )
                    except httpx2.TransportError:
                        return
                    to.append(answer.status_code)

                sender = threading.Thread(target=attempt)
                sender.start()
                time.sleep(moment)
                service.kill()
                sender.join(timeout=60)
                service.start()
                market.follow(service)
                seen = market.owner.expect(200, "GET", path)
                assert seen["state"] != "draft" or not acknowledged, f"lost after {moment * 1000:.0f} ms"
                left = checked(service.data_dir, repair=True)
                assert {finding.problem for finding in left.findings} <= {Problem.ORPHAN}
                assert checked(service.data_dir).ok
                if seen["state"] == "draft":
                    params = {"filename": "part.stl"}
                    market.owner.expect(202, "PUT", f"{path}/file", params=params, content=body())
                assert market.owner.inspected(revision["id"])["state"] == "refused"
            assert not list((service.data_dir / "objects" / "parts").iterdir())
