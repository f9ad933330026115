"""What requests hold is told to nobody: the framework's own telemetry stays off, whatever is set up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

INVITING = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
"""An environment in which the framework sets telemetry up by itself."""
START = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from app.main import assemble
from app.observability.metrics import Metrics
from app.settings import Settings
with TestClient({app}) as client:
    assert client.get("/openapi.json").status_code == 200
"""


def _said(app: str) -> str:
    """Start an application in a process of its own; without the exporter's package trying it is reported."""
    done = subprocess.run(
        [sys.executable, "-c", START.format(app=app)],
        env={**os.environ, **INVITING},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(("app", "tried"), [("FastAPI()", True), ("assemble(Metrics(), Settings())", False)])
class TestTelemetry:
    def test_is_tried_by_the_framework_alone(self, app: str, tried: bool) -> None:
        assert ("telemetry" in _said(app)) is tried
