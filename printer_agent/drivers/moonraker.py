"""The Moonraker driver, for Klipper machines: uploads to the host's `gcodes` root and starts.

The host's history says how a job ended, over restarts of host, firmware and agent; `wipe` takes the file and
its entries there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from printer_agent.drivers.base import Delivery, Phase, Sighting, UncertainStart
from printer_agent.drivers.host import Host, segment
from printer_agent.errors import DriverError

_FILES = "/server/files/gcodes"
_STATS = "/printer/objects/query?print_stats&virtual_sdcard"
_HISTORY = "/server/history/list?limit=50&order=desc"
_BUSY: Final = frozenset({"printing", "paused"})
_ENDS: Final[Mapping[str, Phase]] = {
    "completed": Phase.COMPLETED,
    "cancelled": Phase.CANCELLED,
    "error": Phase.FAILED,
    "klippy_shutdown": Phase.FAILED,
    "klippy_disconnect": Phase.FAILED,
    "server_exit": Phase.FAILED,
    "interrupted": Phase.FAILED,
}
"""Statuses of a job in Moonraker's history; `in_progress` and any other say nothing of an end."""


class MoonrakerDriver:
    """Prints on a Moonraker host; see `printer_agent.drivers.base.Driver` for the promises."""

    name = "moonraker"
    follows = True
    takes_meshes = False

    def __init__(self, host: Host) -> None:
        self._host = host

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Upload and print in one request; a host that only stored the file loses it again.

        Moonraker overwrites silently, so the name is asked for first: it carries the release id, which no
        other agent has.
        """
        if self._stored(delivery):
            raise DriverError(
                "exists",
                f"{self._host.url} has {delivery.name} already, and it is never overwritten",
                "delete it",
            )
        answer = self._host.upload(
            "/server/files/upload", delivery, content, {"root": "gcodes", "print": "true"}
        )
        answer = answer.get("result", answer)
        if answer.get("print_started") is not True:
            self._take_back(delivery)
            raise DriverError(
                "not_started",
                f"{self._host.url} took the file and did not start it",
                "see what it prints now",
            )
        return f"started on {self._host.url} as {delivery.name}"

    def look(self, delivery: Delivery) -> Sighting:
        """Ask for the running job, then for the history, then for the file."""
        stats, card = self._status()
        if stats.get("filename") == delivery.name and stats.get("state") in _BUSY:
            progress = card.get("progress")
            percent = 100 * float(progress) if isinstance(progress, int | float) else None
            return Sighting(Phase.PRINTING, percent, str(stats["state"]))
        for job in self._history(delivery):
            phase = _ENDS.get(str(job.get("status")))
            if phase is not None:
                detail = str(stats.get("message") or "") if stats.get("filename") == delivery.name else ""
                return Sighting(phase, detail=detail or f"the host's history says {job['status']}")
        return Sighting(Phase.PLACED if self._stored(delivery) else Phase.ABSENT)

    def cancel(self, delivery: Delivery) -> None:
        """Cancel the running job where it is this one."""
        stats, _ = self._status()
        if stats.get("filename") == delivery.name and stats.get("state") in _BUSY:
            self._host.ask("POST", "/printer/print/cancel")

    def wipe(self, delivery: Delivery) -> None:
        """Delete the file and its entries in the history; Moonraker refuses for what it prints."""
        path = f"{_FILES}/{segment(delivery.name)}"
        if self._stored(delivery):
            status, _ = self._host.ask("DELETE", path, expected=(200, 403))
            if status == 403:
                raise DriverError(
                    "busy", f"{self._host.url} still uses {delivery.name}", "the agent tries again"
                )
        for job in self._history(delivery):
            uid = segment(str(job.get("job_id")))
            self._host.ask("DELETE", f"/server/history/job?uid={uid}", expected=(200, 404))

    def check(self) -> str:
        """Whether the host answers, takes the key, and its firmware stands ready and idle."""
        _, answer = self._host.ask("GET", "/server/info")
        info = _object(answer, "result")
        state = str(info.get("klippy_state", ""))
        if state != "ready":
            raise DriverError(
                "not_ready", f"the firmware behind {self._host.url} is {state!r}", "restart it on the host"
            )
        stats, _ = self._status()
        if stats.get("state") in _BUSY:
            raise DriverError("not_ready", f"{self._host.url} is {stats['state']}", "wait until it has ended")
        return f"Moonraker {info.get('moonraker_version', '')} at {self._host.url} is ready"

    def close(self) -> None:
        """Close the connections."""
        self._host.close()

    def _status(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The objects `print_stats` and `virtual_sdcard`; empty where the firmware is down (404, 503)."""
        _, answer = self._host.ask("GET", _STATS, expected=(200, 404, 503))
        status = _object(answer, "result", "status")
        return _object(status, "print_stats"), _object(status, "virtual_sdcard")

    def _history(self, delivery: Delivery) -> list[dict[str, Any]]:
        _, answer = self._host.ask("GET", _HISTORY)
        jobs = _object(answer, "result").get("jobs")
        listed = jobs if isinstance(jobs, list) else []
        return [job for job in listed if isinstance(job, dict) and job.get("filename") == delivery.name]

    def _stored(self, delivery: Delivery) -> bool:
        path = f"/server/files/metadata?filename={segment(delivery.name)}"
        status, _ = self._host.ask("GET", path, expected=(200, 404))
        return status == 200

    def _take_back(self, delivery: Delivery) -> None:
        """Delete what was stored; where that fails the host may yet print it."""
        try:
            self._host.ask("DELETE", f"{_FILES}/{segment(delivery.name)}", expected=(200, 404))
        except DriverError as error:
            raise UncertainStart("not_started", f"the host keeps {delivery.name}: {error.message}") from error


def _object(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Go down into an answer; an empty object where it does not go so far."""
    found = dict(value)
    for name in names:
        inner = found.get(name)
        found = inner if isinstance(inner, dict) else {}
    return found
