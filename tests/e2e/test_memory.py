"""Large files pass through the service without passing through its memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import psutil
import pytest

from tests.e2e.conftest import Market
from tests.e2e.parts import torus, torus_length
from tests.e2e.service_process import ServiceProcess

MIB = 1024**2
GROWTH_BYTES_MAX = 64 * MIB
SAMPLE_S = 0.02


class PeakMemory:
    """The highest resident memory of a process while the block runs, sampled."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.peak = 0

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self.peak = max(self.peak, self._process.memory_info().rss)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()


def upload_and_release(market: Market, rings: int, sides: int) -> None:
    """Send a torus through upload, inspection and release, and compare what comes out with what went in."""
    sent = hashlib.sha256()

    def content() -> Iterator[bytes]:
        for piece in torus(rings, sides):
            sent.update(piece)
            yield piece

    revision = market.owner.draft()
    path = f"/v1/revisions/{revision['id']}/file"
    length = {"Content-Length": str(torus_length(rings, sides))}
    market.owner.expect(202, "PUT", path, params={"filename": "t.stl"}, content=content(), headers=length)
    revision = market.owner.inspected(revision["id"], timeout_s=400)
    assert revision["state"] == "ready", revision["inspection"]
    licence = market.owner.license(market.owner.publish(revision), market.provider)
    printer = market.provider.new_printer()
    release = printer.redeem(market.provider.authorise(licence, printer)["token"]).json()
    assert release["object"]["plaintext_sha256"].removeprefix("0x") == sent.hexdigest()

    received = hashlib.sha256()
    location = f"/v1/releases/{release['release_id']}/object"
    with httpx2.stream(
        "GET", market.service.url + location, headers=printer.proof("GET", location, printer.id), timeout=120
    ) as answer:
        for piece in answer.iter_bytes(MIB):
            received.update(piece)
    assert received.hexdigest() == release["object"]["sha256"].removeprefix("0x")


class TestServiceMemory:
    @pytest.mark.parametrize(
        ("rings", "sides"),
        [
            pytest.param(1024, 1311, id="128 MiB"),
            pytest.param(3278, 3276, id="1 GiB", marks=pytest.mark.slow),
        ],
    )
    def test_stays_near_idle(self, tmp_path: Path, rings: int, sides: int) -> None:
        with ServiceProcess(tmp_path / "data", inspect_seconds_max="400") as service:
            market = Market.open(service)
            upload_and_release(market, 8, 8)
            idle = psutil.Process(service.pid).memory_info().rss
            with PeakMemory(service.pid) as memory:
                upload_and_release(market, rings, sides)
            assert torus_length(rings, sides) >= 128 * MIB
            assert memory.peak - idle <= GROWTH_BYTES_MAX, (
                f"{(memory.peak - idle) / MIB:.0f} MiB over idle {idle / MIB:.0f} MiB"
            )
