"""A whole service in this process, on real layers: SQLite, local objects, file keyring, embedded chain,
sandbox.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from app.wiring import Services
from ledger.typed_data import Domain

READY_S = 60.0


class HandClock:
    """The machine's clock, which a test may move forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s

    def now(self) -> int:
        return int(self.time())

    def forward(self, seconds: float) -> None:
        self.ahead_s += seconds


@dataclass
class Service:
    """A running service and the way to talk to it."""

    app: FastAPI
    client: TestClient
    clock: HandClock
    data_dir: Path

    @property
    def services(self) -> Services:
        services: Services = self.app.state.services
        return services

    @property
    def operator_key(self) -> str:
        return (self.data_dir / "operator.key").read_text(encoding="utf-8").strip()

    @property
    def domain(self) -> Domain:
        return self.services.ledger.domain

    def call(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx2.Response:
        headers = dict(options.pop("headers", {}))
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return self.client.request(method, path, headers=headers, **options)

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.data_dir / "partvault.sqlite", timeout=20, isolation_level=None)

    def column(self, statement: str, *values: Any) -> Any:
        connection = self.database()
        try:
            return connection.execute(statement, values).fetchone()[0]
        finally:
            connection.close()

    def execute(self, statement: str, *values: Any) -> None:
        connection = self.database()
        try:
            connection.execute(statement, values)
        finally:
            connection.close()

    def object_path(self, revision_id: str) -> Path:
        stored = json.loads(self.column("select file_object from revisions where id = ?", revision_id))
        (path,) = [p for p in self.objects() if p.name == stored["object_key"]]
        return path

    def objects(self) -> list[Path]:
        return [path for path in (self.data_dir / "objects").rglob("*") if path.is_file()]


@contextmanager
def running_service(folder: Path, clock: HandClock | None = None, **settings: Any) -> Iterator[Service]:
    """Run a service while the block lasts; the same folder again takes up where it was."""
    clock = clock or HandClock()
    data_dir = folder / "data"
    app = create_app(Settings(data_dir=data_dir, log_level="ERROR", **settings), clock)
    with TestClient(app) as client:
        yield Service(app, client, clock, data_dir)


def until(condition: Any, timeout_s: float = READY_S) -> Any:
    """Give the first true value of `condition`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"did not come true within {timeout_s} s")
