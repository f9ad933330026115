"""What the agent works with, and who is told how a print goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from mesh_tools.sandbox import Sandbox
from printer_agent.client import PrinterClient
from printer_agent.clock import Clock
from printer_agent.drivers.base import Driver
from printer_agent.following import Viewer, never
from printer_agent.identity import Identity
from printer_agent.journal import Journal
from printer_agent.machine import Machine
from printer_agent.remote_job import Patience
from printer_agent.slicing.prusa import PrusaSlicer
from printer_agent.slicing.toolpath import Slicer


class Watcher(Viewer, Protocol):
    """Who is told how a print goes on."""

    def stage(self, name: str, detail: str) -> None:
        """Take that the job reached `name` (a `JobState`), with a sentence."""

    def downloaded(self, done: int, total: int) -> None:
        """Take how many bytes of ciphertext have come."""


class Silence:
    """A watcher that does nothing."""

    def printing(self, percent: float | None, detail: str) -> None:
        """Take and forget."""

    def stage(self, name: str, detail: str) -> None:
        """Take and forget."""

    def downloaded(self, done: int, total: int) -> None:
        """Take and forget."""


def _nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Tools:
    """What the agent works with, built in `printer_agent.assembly`.

    warm: called when a sandbox will be needed soon
    stop: whether a print that runs is to be left to the agent's next start
    poll_s: pause between two looks at a running print
    """

    identity: Identity
    machine: Machine
    journal: Journal
    client: PrinterClient
    driver: Driver
    sandbox: Sandbox
    clock: Clock
    file_bytes_max: int
    warm: Callable[[], None] = _nothing
    stop: Callable[[], bool] = never
    poll_s: float = 2.0
    slicer: Slicer = field(default_factory=PrusaSlicer)
    patience: Patience = field(default_factory=Patience)
