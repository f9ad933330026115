"""What requests hold is told to nobody: the framework's own telemetry stays off, whatever is set up."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import assemble
from app.observability.metrics import Metrics
from app.settings import Settings


@pytest.fixture(autouse=True)
def inviting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which the framework sets telemetry up by itself."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")


def _tried(app: FastAPI, caplog: pytest.LogCaptureFixture) -> bool:
    """Tell whether the framework tries to export; without the exporter's package it says that it cannot."""
    with TestClient(app) as client:
        assert client.get("/openapi.json").status_code == 200
    return any("telemetry" in record.getMessage() for record in caplog.records)


class TestTelemetry:
    def test_is_tried_by_the_framework_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        assert _tried(FastAPI(), caplog)

    def test_is_off_in_the_service(self, caplog: pytest.LogCaptureFixture) -> None:
        assert not _tried(assemble(Metrics(), Settings()), caplog)
