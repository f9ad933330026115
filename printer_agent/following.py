"""Follows a print on its host until it has ended; the decisions are `printer_agent.remote_job`'s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from printer_agent.clock import Clock
from printer_agent.drivers.base import Delivery, Driver, Sighting
from printer_agent.errors import Detached, DriverError
from printer_agent.remote_job import RemoteJob


class Viewer(Protocol):
    """Who is told what the host says."""

    def printing(self, percent: float | None, detail: str) -> None:
        """Take how much is printed (0 to 100, None where unknown), with the host's word."""


def never() -> bool:
    """Say no."""
    return False


@dataclass(frozen=True)
class Wishes:
    """What people want while a print runs; asked before each look."""

    cancel: Callable[[], bool]
    stop: Callable[[], bool] = never


def follow(
    job: RemoteJob,
    delivery: Delivery,
    driver: Driver,
    *,
    wishes: Wishes,
    viewer: Viewer,
    clock: Clock,
    poll_s: float,
) -> None:
    """Look every `poll_s` until the job has ended, passing on the wish to cancel.

    A host that does not answer is asked again until the job's patience ends. Raises Detached where the agent
    is to stop; the print goes on then.
    """
    heard_at = clock.monotonic()
    while job.running:
        if wishes.stop():
            raise Detached(
                "detached", f"{delivery.name} goes on printing", "start the agent again to follow it"
            )
        try:
            if wishes.cancel():
                driver.cancel(delivery)
                job.cancelled()
            seen = driver.look(delivery)
            heard_at = clock.monotonic()
        except DriverError as error:
            job.silent(clock.monotonic() - heard_at)
            viewer.printing(None, error.message)
        else:
            job.see(seen)
            viewer.printing(seen.percent, _words(seen))
        if job.running:
            clock.pause(poll_s)


def _words(seen: Sighting) -> str:
    return seen.detail or seen.phase.value
