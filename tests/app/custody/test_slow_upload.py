"""Uploads over HTTP that began before a rotation and end after it, and after the old version is destroyed."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storage.keys import open_keys
from tests.app.service import until
from tests.e2e.conftest import Market
from tests.e2e.parts import box, torus
from tests.e2e.service_process import ServiceProcess

RINGS, SIDES = 60, 60
TORUS = b"".join(torus(RINGS, SIDES))
PATIENCE_S = 60.0


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    with ServiceProcess(tmp_path / "data", upload_chunk_bytes="4096") as service:
        yield Market.open(service)


class Operator:
    """`partvault keys` beside the running service."""

    def __init__(self, service: ServiceProcess) -> None:
        self.data_dir = service.data_dir

    def __call__(self, *words: str) -> Any:
        program = Path(sys.executable).with_name("partvault")
        command = [program, "keys", *words, "--data-dir", self.data_dir, "--json"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout)

    def destroy_old(self) -> None:
        """Rotate away from version 1 and destroy it."""
        assert self("rotate", "--from", "1")["complete"]
        assert self("destroy", "1", "--yes")["destroyed_at"]

    def objects(self) -> dict[Path, tuple[bytes, int]]:
        """Every file of the object store: its bytes and when it was written."""
        paths = (path for path in (self.data_dir / "objects").rglob("*") if path.is_file())
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


class SlowUpload:
    """Half a file is sent; the rest when told."""

    def __init__(self, market: Market, operator: Operator) -> None:
        self.revision = market.owner.draft()
        before = len(operator.objects())
        self._market = market
        self._go_on = threading.Event()
        self._answers: list[httpx2.Response] = []
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        until(lambda: len(operator.objects()) > before)  # the service has made the data key and is writing

    def _send(self) -> None:
        path = f"/v1/revisions/{self.revision['id']}/file"
        self._answers.append(
            self._market.owner.call("PUT", path, params={"filename": "t.stl"}, content=self._pieces())
        )

    def _pieces(self) -> Iterator[bytes]:
        half = len(TORUS) // 2
        yield TORUS[:half]
        assert self._go_on.wait(PATIENCE_S)
        yield TORUS[half:]

    def finish(self) -> httpx2.Response:
        self._go_on.set()
        self._thread.join(PATIENCE_S)
        return self._answers[0]


def printed(market: Market, revision: dict[str, Any]) -> bytes:
    """What a printer gets to see of a published revision."""
    licence = market.owner.license(revision, market.provider, prints=1)
    printer = market.provider.new_printer()
    authorised = market.provider.authorise(licence, printer)
    answer = printer.redeem(authorised["token"], secrets.token_hex(16))
    assert answer.status_code == 200, answer.text
    release = answer.json()
    return printer.open(release, printer.download(release).content)


class TestSlowUpload:
    def test_ends_under_the_new_version(self, market: Market) -> None:
        operator = Operator(market.service)
        upload = SlowUpload(market, operator)
        assert operator("rotate")["complete"]
        assert upload.finish().status_code == 202
        ready = market.owner.inspected(upload.revision["id"])
        wraps = {each["version"]: each["wraps"] for each in operator("status")["versions"]}
        assert wraps["1"] == 0
        operator("destroy", "1", "--yes")
        assert printed(market, market.owner.publish(ready)) == TORUS

    def test_is_to_be_sent_again_where_its_version_is_gone(self, market: Market) -> None:
        operator = Operator(market.service)
        older = market.published()
        before = operator.objects()
        upload = SlowUpload(market, operator)
        operator.destroy_old()
        refused = upload.finish()
        assert refused.status_code == 503
        problem = refused.json()
        assert problem["type"] == "urn:partvault:problem:unavailable"
        assert "version 1 was destroyed" in problem["detail"]
        assert problem["remedy"].startswith("send the file again")
        assert operator.objects() == before, "stored files are untouched, and nothing is left of the upload"
        path = f"/v1/revisions/{upload.revision['id']}"
        assert market.owner.expect(200, "GET", path)["state"] == "draft"
        market.owner.expect(202, "PUT", f"{path}/file", params={"filename": "t.stl"}, content=TORUS)
        ready = market.owner.inspected(upload.revision["id"])
        assert printed(market, market.owner.publish(ready)) == TORUS
        assert printed(market, older) == box()


class TestRunningService:
    def test_uses_a_new_version_at_once(self, market: Market) -> None:
        operator = Operator(market.service)
        open_keys(f"file:{operator.data_dir / 'keyring.json'}").rotate()
        market.owner.upload(TORUS)
        wraps = {each["version"]: each["wraps"] for each in operator("status")["versions"]}
        assert wraps["2"] >= 2, "the file and its picture"
        assert wraps["1"] >= 1, "the relay's account, from before"
