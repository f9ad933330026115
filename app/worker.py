"""Work that no request waits for: inspections, prints to conclude, leftovers to sweep.

The rows are the jobs, so any number of workers may run, in this process or in others, and one that dies loses
nothing: its lease runs out and another takes over.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import sweeping
from app.designs.inspection import inspect_next
from app.errors import AppError
from app.observability import logs
from app.settings import Settings
from app.wiring import Services, build, running
from ledger.errors import LedgerError
from mesh_tools.errors import MeshError
from storage.errors import StorageError

STOP_S = 5.0
_PASSING = (AppError, LedgerError, MeshError, StorageError, SQLAlchemyError)
_log = structlog.get_logger("app.worker")


class Worker:
    """Runs the loops in threads until it is stopped; sweeps need the ledger, inspections do not."""

    def __init__(self, services: Services, *, sweeps: bool = True) -> None:
        self._services = services
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._stopping = threading.Event()
        self._sweeper = sweeping.Sweeper(services)
        loops = [self._inspections, self._sweeps] if sweeps else [self._inspections]
        self._threads = [threading.Thread(target=loop, name=loop.__name__, daemon=True) for loop in loops]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each loop end its step; an inspection that takes longer is left, and done again after the next
        start.
        """
        self._stopping.set()
        self._services.inspections.ring()
        for thread in self._threads:
            thread.join(STOP_S)

    def _inspections(self) -> None:
        while not self._stopping.is_set():
            if not self._step("inspection", self._inspect):
                self._services.inspections.wait(self._services.settings.worker_interval_s)

    def _inspect(self) -> bool:
        return inspect_next(self._services, self._name, self._stopping)

    def _sweeps(self) -> None:
        while not self._stopping.is_set():
            self._step("sweep", self._sweeper.sweep)
            self._stopping.wait(self._services.settings.worker_interval_s)

    def _step(self, what: str, step: Callable[[], bool]) -> bool:
        """Do one step; a failure of a neighbour is logged and tried again after the pause."""
        try:
            return step()
        except _PASSING as error:
            _log.warning("step failed", step=what, error=type(error).__name__, detail=str(error))
        except Exception:  # noqa: BLE001 - one bad row must not end the loop; it is logged whole
            _log.exception("step failed unexpectedly", step=what)
        return False


@contextmanager
def working(services: Services, *, sweeps: bool = True) -> Iterator[None]:
    """Run a worker while the block lasts."""
    worker = Worker(services, sweeps=sweeps)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def run(settings: Settings, stop: threading.Event | None = None) -> None:
    """Run a worker process until `stop` is set (`partvault worker`).

    Beside a service with an embedded chain it inspects only: that chain belongs to the service's process.
    """
    logs.configure(settings.log_level)
    services, alone = build(settings), not settings.embedded_chain
    with running(services, ledger=alone), working(services, sweeps=alone):
        (stop or threading.Event()).wait()
