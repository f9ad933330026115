"""`partvault worker`: a process that inspects for a service that does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import Market
from tests.e2e.parts import box
from tests.e2e.service_process import ServiceProcess

PARTVAULT = Path(sys.executable).with_name("partvault")


class TestWorker:
    def test_takes_up_what_waits(self, tmp_path: Path) -> None:
        with ServiceProcess(tmp_path / "data", worker="false") as service:
            market = Market.open(service)
            revision = market.owner.draft()
            path = f"/v1/revisions/{revision['id']}/file"
            market.owner.expect(202, "PUT", path, params={"filename": "part.stl"}, content=box())
            waiting = market.owner.expect(200, "GET", f"/v1/revisions/{revision['id']}")
            assert waiting["state"] == "inspecting"
            command = [PARTVAULT, "worker", "--json", "--data-dir", service.data_dir]
            with subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as worker:
                try:
                    assert worker.stdout is not None
                    assert json.loads(worker.stdout.readline())["inspects_only"] is True
                    assert market.owner.inspected(revision["id"])["state"] == "ready"
                finally:
                    worker.terminate()
                assert worker.wait(timeout=20) == 0
