"""The ledger in Prometheus' terms: read once for each scrape, so no series outlives what it tells of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.embedded_health import EmbeddedHealth
from ledger.endpoint_health import EndpointHealth
from ledger.runtime import LedgerHealth


def render(health: LedgerHealth | None, embedded: EmbeddedHealth | None) -> bytes:
    """Return the text exposition of a ledger's health; of one that is not started (None) only that."""
    registry = CollectorRegistry()
    registry.register(_Reading(health, embedded))
    return generate_latest(registry)


class _Reading(Collector):
    def __init__(self, health: LedgerHealth | None, embedded: EmbeddedHealth | None) -> None:
        self._health = health
        self._embedded = embedded

    def collect(self) -> Iterator[Metric]:
        ok = self._health is not None and self._health.ok
        yield _gauge("ok", "1 while prints may be issued", ok)
        if self._health is not None:
            yield from _progress(self._health)
            yield from _endpoints(self._health.endpoints)
        if self._embedded is not None:
            yield from _embedded(self._embedded)


def _progress(health: LedgerHealth) -> Iterator[Metric]:
    yield _gauge("pending", "Operations not yet confirmed", health.pending)
    yield _gauge("head_block", "Newest block of the chain", health.head)
    yield _gauge("indexed_block", "Newest block read into the index", health.indexed)
    yield _gauge("finalised_block", "Newest block deep enough to count", health.finalised)
    yield _gauge("lag_blocks", "Blocks between head and index", health.lag_blocks)
    restarts = "Times the embedded chain's process had to be started again"
    yield CounterMetricFamily("partvault_ledger_restarts", restarts, value=health.restarts)


def _endpoints(endpoints: Iterable[EndpointHealth]) -> Iterator[Metric]:
    votes = _by_endpoint("endpoint_votes", "1 while the endpoint has a vote")
    times = _by_endpoint("endpoint_outvoted", "Times it was outvoted, without an hour's pause")
    since = _by_endpoint("endpoint_outvoted_since_seconds", "Unix time since when it is outvoted")
    for each in endpoints:
        votes.add_metric([each.name], each.trouble is None)
        times.add_metric([each.name], 0 if each.outvoted is None else each.outvoted.times)
        if each.outvoted is not None:
            since.add_metric([each.name], each.outvoted.since)
    yield from (votes, times, since)


def _embedded(chain: EmbeddedHealth) -> Iterator[Metric]:
    yield _gauge("embedded_events", "Events that the embedded chain holds", chain.events)
    yield _gauge("embedded_events_max", "Events that the embedded chain is meant for", chain.events_max)
    if chain.memory_bytes is not None:
        yield _gauge("embedded_memory_bytes", "Memory of the chain's process", chain.memory_bytes)
    if chain.last_start is not None:
        yield _gauge("embedded_start_seconds", "What the last start took", chain.last_start["seconds"])
    if chain.snapshot is not None:
        yield _gauge("embedded_snapshot_block", "Block of the newest snapshot", chain.snapshot.block)
        yield _gauge("embedded_snapshot_age_seconds", "Age of the newest snapshot", chain.snapshot.age_s)
    due = chain.move_on is not None
    yield _gauge("embedded_move_on", "1 when it is time to move to a real network", due)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"partvault_ledger_{name}", text, value=value)


def _by_endpoint(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"partvault_ledger_{name}", text, labels=["endpoint"])
