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
_STATS = "/printer/objects/query?print_stats&virtual_sdcard&webhooks"
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
_STATES: Final[Mapping[str, Phase]] = {
    "complete": Phase.COMPLETED,
    "cancelled": Phase.CANCELLED,
    "error": Phase.FAILED,
}
"""How the firmware says that its last job ended; Moonraker's history has no job that extruded nothing."""


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
        """Ask the history, then the firmware for its last job, then for the file."""
        status = self._status()
        stats, webhooks = _object(status, "print_stats"), _object(status, "webhooks")
        mine = stats.get("filename") == delivery.name
        message = str(stats.get("message") or "") if mine else ""
        for job in self._history(delivery):
            phase = _ENDS.get(str(job.get("status")))
            if phase is not None:
                return Sighting(phase, detail=message or f"the host's history says {job['status']}")
        state = str(stats.get("state")) if mine else ""
        if state in _STATES:
            return Sighting(_STATES[state], detail=message or f"the firmware says {state}")
        if state in _BUSY and webhooks.get("state") == "ready":
            progress = _object(status, "virtual_sdcard").get("progress")
            percent = 100 * float(progress) if isinstance(progress, int | float) else None
            return Sighting(Phase.PRINTING, percent, state)
        if state in _BUSY:
            return Sighting(Phase.FAILED, detail=str(webhooks.get("state_message") or "the firmware stopped"))
        return Sighting(Phase.PLACED if self._stored(delivery) else Phase.ABSENT)

    def cancel(self, delivery: Delivery) -> None:
        """Cancel the running job where it is this one."""
        if self._prints(delivery):
            self._host.ask("POST", "/printer/print/cancel")

    def wipe(self, delivery: Delivery) -> None:
        """Delete the file, its entries in the history and the firmware's memory of it.

        The firmware is asked whether it prints: the host, which refuses too (403), hears of it later.
        """
        if self._prints(delivery) or not self._deleted(delivery):
            raise DriverError("busy", f"{self._host.url} still uses {delivery.name}", "the agent tries again")
        for job in self._history(delivery):
            uid = segment(str(job.get("job_id")))
            self._host.ask("DELETE", f"/server/history/job?uid={uid}", expected=(200, 404))
        if _object(self._status(), "print_stats").get("filename") == delivery.name:
            self._host.ask("POST", "/printer/gcode/script?script=SDCARD_RESET_FILE", expected=(200, 400, 503))

    def check(self) -> str:
        """Whether the host answers, takes the key, and its firmware stands ready and idle."""
        _, answer = self._host.ask("GET", "/server/info")
        info = _object(answer, "result")
        state = str(info.get("klippy_state", ""))
        if state != "ready":
            raise DriverError(
                "not_ready", f"the firmware behind {self._host.url} is {state!r}", "restart it on the host"
            )
        stats = _object(self._status(), "print_stats")
        if stats.get("state") in _BUSY:
            raise DriverError("not_ready", f"{self._host.url} is {stats['state']}", "wait until it has ended")
        return f"Moonraker {info.get('moonraker_version', '')} at {self._host.url} is ready"

    def close(self) -> None:
        """Close the connections."""
        self._host.close()

    def _status(self) -> dict[str, Any]:
        """What the firmware says of itself; empty where it is down (404, 503)."""
        _, answer = self._host.ask("GET", _STATS, expected=(200, 404, 503))
        return _object(answer, "result", "status")

    def _history(self, delivery: Delivery) -> list[dict[str, Any]]:
        _, answer = self._host.ask("GET", _HISTORY)
        jobs = _object(answer, "result").get("jobs")
        listed = jobs if isinstance(jobs, list) else []
        return [job for job in listed if isinstance(job, dict) and job.get("filename") == delivery.name]

    def _prints(self, delivery: Delivery) -> bool:
        status = self._status()
        stats, ready = _object(status, "print_stats"), _object(status, "webhooks").get("state") == "ready"
        return ready and stats.get("filename") == delivery.name and stats.get("state") in _BUSY

    def _deleted(self, delivery: Delivery) -> bool:
        """Delete the file; False where the host says that it uses it."""
        if not self._stored(delivery):
            return True
        status, _ = self._host.ask("DELETE", f"{_FILES}/{segment(delivery.name)}", expected=(200, 403))
        return status == 200

    def _stored(self, delivery: Delivery) -> bool:
        status, _ = self._host.ask("HEAD", f"{_FILES}/{segment(delivery.name)}", expected=(200, 404))
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
