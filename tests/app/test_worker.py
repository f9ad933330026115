"""The worker: in a process of its own, stopped in the middle, and failing neighbours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app import worker
from app.designs.inspection import inspect_next
from app.settings import Settings
from tests.app.parties import new_party
from tests.app.parts import box
from tests.app.service import Service, running_service, until


@contextmanager
def beside(service: Service) -> Iterator[None]:
    """A worker on the same data folder, as `partvault worker` runs it."""
    stop = threading.Event()
    settings = Settings(data_dir=service.data_dir, log_level="ERROR", worker_interval_s=0.05)
    thread = threading.Thread(target=worker.run, args=(settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class TestRun:
    def test_inspects_beside_a_service_that_does_not(self, tmp_path: Path) -> None:
        with running_service(tmp_path, worker=False) as service:
            owner = new_party(service, "owner")
            revision = owner.draft()
            owner.upload(revision)
            path = f"/v1/revisions/{revision['id']}"
            with beside(service):
                until(lambda: owner.expect(200, "GET", path)["state"] == "ready")


class TestStopping:
    def test_counts_no_refusal_of_a_closing_sandbox(self, tmp_path: Path) -> None:
        with running_service(tmp_path, worker=False) as service:
            owner = new_party(service, "owner")
            revision = owner.draft()
            owner.upload(revision, box(closed=False))
            path = f"/v1/revisions/{revision['id']}"
            stopping = threading.Event()
            stopping.set()
            assert inspect_next(service.services, "stops", stopping)
            assert owner.expect(200, "GET", path)["state"] == "inspecting"
            service.clock.forward(60)
            assert inspect_next(service.services, "goes on")
            assert owner.expect(200, "GET", path)["state"] == "refused"
