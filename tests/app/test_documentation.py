"""The documentation page works without the Internet."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from app.main import assemble
from app.observability.metrics import Metrics
from app.settings import Settings


class TestPage:
    def test_loads_everything_from_the_service(self) -> None:
        client = TestClient(assemble(Metrics(), Settings()))
        page = client.get("/docs").text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert any(path.endswith(".js") for path in loaded)
        assert all(path.startswith(("/", "data:")) for path in loaded)
        assert "https://" not in page
        for path in loaded:
            if path.startswith("/"):
                assert client.get(path).status_code == 200
