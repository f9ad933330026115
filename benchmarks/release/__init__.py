"""Redemptions per second with everything on the machine: service, embedded chain, database, load generator.

The service is `partvault serve` as an operator starts it. Each redemption is a real print token with a DPoP
proof of its own and the printer's P-256 signature over its claim; tokens are authorised and requests signed
before the clock starts, so the generator only sends. The proofs say they were made in the middle of the run:
all of it lies within the window that the service grants clocks.

`PARTVAULT_BENCH_SECONDS=5` makes a short run, for development; its figures are no results.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.settings import Settings
from app.wiring import build, running
from benchmarks import yardstick
from benchmarks.figures import Figure, announce
from benchmarks.release import load, requests, witness
from benchmarks.release.load import Load
from benchmarks.release.market import Machine, furnish
from benchmarks.release.served import Served, serving
from ledger.typed_data import Domain

CLIENTS = 64
SECONDS = int(os.environ.get("PARTVAULT_BENCH_SECONDS", "60"))
ALONE_S = min(SECONDS, 10)
WARM_S = min(SECONDS, 5)
RATE_MAX = 900
"""Redemptions per second that tokens are prepared for."""
ALONE_MAX = 150


@dataclass(frozen=True)
class _Phase:
    """One run of the load generator, and the processor time of service and chain meanwhile."""

    load: Load
    service_s: float
    chain_s: float


def measure() -> list[Figure]:
    """Measure; some two minutes."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-release-") as folder:
        figures = list(_figures(Path(folder)))
    announce(f"load {before:.2f} before, {os.getloadavg()[0]:.2f} after")
    return figures


def _figures(folder: Path) -> Iterator[Figure]:
    tokens = [_tokens(WARM_S) + _tokens(SECONDS)] * CLIENTS
    tokens[0] += ALONE_MAX * ALONE_S
    announce(f"preparing {sum(tokens)} tokens")
    settings = Settings(data_dir=folder / "data")
    services = build(settings)
    with running(services):
        machines, domain = furnish(services, tokens), services.ledger.domain
    with serving(folder / "data") as served:
        stage = _Stage(folder, served, domain)
        speeds = [yardstick.speed()]
        announce("warming up")
        stage.run(machines, _tokens(WARM_S), WARM_S)
        announce("one client")
        alone = stage.run(machines[:1], ALONE_MAX * ALONE_S, ALONE_S)
        announce(f"{CLIENTS} clients for {SECONDS} s")
        phase = stage.run(machines, _tokens(SECONDS), SECONDS)
        speeds.append(yardstick.speed())
    witness.agree(build(settings), stage.redeemed, machines)
    yield from _told(phase, alone)
    yield from yardstick.told(speeds)


def _tokens(seconds: int) -> int:
    """How many one of all clients may need."""
    return RATE_MAX * seconds // CLIENTS


def _told(phase: _Phase, alone: _Phase) -> Iterator[Figure]:
    done, many = phase.load, f"{CLIENTS} clients"
    yield Figure(f"redemptions per second, {many}", done.per_second, "1/s", 500, "higher")
    yield Figure(f"wait of {many}, p50", done.p50_ms, "ms", None, "lower")
    yield Figure(f"wait of {many}, p99", done.p99_ms, "ms", 250, "lower")
    yield Figure(f"wait of {many}, the longest", done.max_ms, "ms", None, "lower")
    yield Figure(f"errors, {many}", done.errors, "", 0, "lower")
    yield Figure("wait of one client, p50", alone.load.p50_ms, "ms", 15, "lower")
    yield Figure("wait of one client, p99", alone.load.p99_ms, "ms", None, "lower")
    spent = {"service": phase.service_s, "chain": phase.chain_s, "load generator": done.cpu_s}
    for name, seconds in spent.items():
        yield Figure(
            f"processor time of a redemption: {name}", 1000 * seconds / done.answered, "ms", None, "lower"
        )
    yield Figure("processors busy", sum(spent.values()) / done.seconds, "", None, "lower")


@dataclass
class _Stage:
    """What all runs share."""

    folder: Path
    served: Served
    domain: Domain
    redeemed: int = 0

    def run(self, machines: list[Machine], each: int, seconds: int) -> _Phase:
        """Let every machine be one client; RuntimeError where any redemption failed."""
        shares = [requests.signed_claims(self.domain, machine, each) for machine in machines]
        made_at = int(time.time()) + seconds // 2 + 5
        for machine, share in zip(machines, shares, strict=True):
            requests.prove(machine, share, self.served.url, made_at)
        path = self.folder / "shares.json"
        requests.write(shares, path)
        service, chain = self.served.cpu_s()
        done = load.run(
            self.folder, path, self.served.url + requests.PATH, clients=len(machines), seconds=seconds
        )
        service_after, chain_after = self.served.cpu_s()
        self.redeemed += done.answered - done.errors
        return _Phase(done, service_after - service, chain_after - chain)
