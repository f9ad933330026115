"""Prometheus metrics of one service instance, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters and times; labels hold route templates and states, never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "partvault_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "partvault_http_request_seconds", "Time to answer", ["method", "route"], registry=self.registry
        )
        self.uploaded_bytes = Counter(
            "partvault_uploaded_bytes", "Plaintext bytes stored encrypted", registry=self.registry
        )
        self.inspections = Counter(
            "partvault_inspections", "Files inspected", ["verdict"], registry=self.registry
        )
        self.releases = Counter("partvault_releases", "Keys released to printers", registry=self.registry)
        self.refusals = Counter("partvault_refusals", "Prints refused", ["code"], registry=self.registry)

        self.alarms = Counter(
            "partvault_alarms", "Impossible uses of printers' credentials", ["kind"], registry=self.registry
        )

        self.rate_limited = Counter(
            "partvault_rate_limited", "Requests refused as too many", ["policy"], registry=self.registry
        )
        self.prints_overdue = Gauge(
            "partvault_prints_overdue",
            "Prints released whose outcome should have come by now",
            registry=self.registry,
        )

    def render(self) -> bytes:
        """Give the text exposition format."""
        return generate_latest(self.registry)
