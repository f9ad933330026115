"""The OctoPrint driver: uploads to the host's own storage and starts (OctoPrint's REST API, version 0.1).

The host keeps the file while it prints, and remembers with it how its last print ended; both go with `wipe`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from printer_agent.drivers.base import Delivery, Phase, Sighting, UncertainStart
from printer_agent.drivers.host import Host, segment
from printer_agent.errors import DriverError

_FILES = "/api/files/local"
_READY = "Operational"
_DISCONNECTED = ("Offline", "Error", "Opening", "Detecting", "Connecting", "Unknown")


class OctoPrintDriver:
    """Prints on an OctoPrint host; see `printer_agent.drivers.base.Driver` for the promises."""

    name = "octoprint"
    follows = True
    takes_meshes = False

    def __init__(self, host: Host) -> None:
        self._host = host

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Upload, select and print in one request; a host that only stored the file loses it again."""
        fields = {"select": "true", "print": "true", "noOverwrite": "true"}
        answer = self._host.upload(_FILES, delivery, content, fields)
        stored = _within(answer, "files", "local").get("path")
        if stored != delivery.name or answer.get("effectivePrint") is not True:
            self._take_back(delivery, stored)
            raise DriverError(
                "not_started",
                f"{self._host.url} took the file and did not start it",
                "see what it prints now",
            )
        return f"started on {self._host.url} as {delivery.name}"

    def look(self, delivery: Delivery) -> Sighting:
        """Ask for the running job, then for what the host remembers of the file."""
        _, job = self._host.ask("GET", "/api/job")
        state = str(job.get("state", ""))
        if _current(job) == delivery.name and _is_busy(state):
            percent = _within(job, "progress").get("completion")
            return Sighting(Phase.PRINTING, float(percent) if percent is not None else None, state)
        status, file = self._host.ask("GET", f"{_FILES}/{segment(delivery.name)}", expected=(200, 404))
        if status == 404:
            return Sighting(Phase.ABSENT)
        success = _within(file, "prints", "last").get("success")
        if success is None:
            return Sighting(Phase.PLACED, detail=state)
        if success:
            return Sighting(Phase.COMPLETED, 100.0, "printed to the end")
        problem = str(job.get("error") or "")
        if problem:
            return Sighting(Phase.FAILED, detail=problem)
        return Sighting(Phase.CANCELLED, detail="stopped at the host")

    def cancel(self, delivery: Delivery) -> None:
        """Cancel the running job where it is this one; a job that ended meanwhile is well too (409)."""
        _, job = self._host.ask("GET", "/api/job")
        if _current(job) == delivery.name and _is_busy(str(job.get("state", ""))):
            self._host.ask("POST", "/api/job", {"command": "cancel"}, expected=(204, 409))

    def wipe(self, delivery: Delivery) -> None:
        """Delete the file and what the host remembers with it; 409 is a host that still prints it."""
        path = f"{_FILES}/{segment(delivery.name)}"
        status, _ = self._host.ask("DELETE", path, expected=(204, 404, 409))
        if status == 409:
            raise DriverError("busy", f"{self._host.url} still uses {delivery.name}", "the agent tries again")

    def check(self) -> str:
        """Whether the host answers, takes the key and stands ready."""
        _, version = self._host.ask("GET", "/api/version")
        _, job = self._host.ask("GET", "/api/job")
        state = str(job.get("state", ""))
        if state != _READY:
            raise DriverError(
                "not_ready", f"the printer behind {self._host.url} is {state!r}", "make it ready on the host"
            )
        return f"{version.get('text', 'OctoPrint')} at {self._host.url} is ready"

    def close(self) -> None:
        """Close the connections."""
        self._host.close()

    def _take_back(self, delivery: Delivery, stored: object) -> None:
        """Delete what was stored; where that fails the host may yet print it."""
        name = stored if isinstance(stored, str) else delivery.name
        try:
            self._host.ask("DELETE", f"{_FILES}/{segment(name)}", expected=(204, 404))
        except DriverError as error:
            raise UncertainStart("not_started", f"the host keeps {name}: {error.message}") from error


def _is_busy(state: str) -> bool:
    return state != _READY and not state.startswith(_DISCONNECTED)


def _current(job: dict[str, Any]) -> object:
    return _within(job, "job", "file").get("path")


def _within(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """Go down into an answer; an empty object where it does not go so far."""
    for name in names:
        inner = value.get(name)
        if not isinstance(inner, dict):
            return {}
        value = inner
    return value
