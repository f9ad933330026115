"""The port every driver fills."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Protocol

from printer_agent.errors import DriverError

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_STEM_MAX = 60
_EXTENSIONS = {"3mf": ".3mf", "gcode.3mf": ".gcode.3mf"}


@dataclass(frozen=True)
class Delivery:
    """A validated file on its way to the machine.

    `name` is safe as a file's name and unique to the release; `size` in bytes.
    """

    release_id: str
    name: str
    size: int

    @classmethod
    def of(cls, release_id: str, filename: str, format_: str, size: int) -> Delivery:
        """Make a delivery; the manifest's `filename` gives the stem, the format the extension."""
        extension = _EXTENSIONS.get(format_, ".stl" if format_.startswith("stl") else "." + _safe(format_))
        stem = _safe(PurePosixPath(filename.replace("\\", "/")).stem)[:_STEM_MAX].strip(".-_") or "part"
        return cls(release_id, f"{_safe(release_id)}-{stem}{extension}", size)


class Phase(StrEnum):
    """What a printer host says of one job when it is asked.

    ABSENT: it knows nothing of it. PLACED: it has the file and neither prints it nor says that it did.
    """

    ABSENT = "absent"
    PLACED = "placed"
    PRINTING = "printing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Sighting:
    """One look at a job on its host: its phase, how much of it is done (0 to 100) and a word for people."""

    phase: Phase
    percent: float | None = None
    detail: str = ""


class UncertainStart(DriverError):  # noqa: N818 - it names the state
    """The host broke off before it answered `start`: it may print or not, and only a look can tell."""


class Driver(Protocol):
    """A printer, or what stands in front of it. Jobs are found by the release id in `Delivery.name`.

    name: short word for reports (`folder`, …)
    follows: whether `look` tells how a print goes on and ends; else it ends with the delivery
    takes_meshes: whether it takes meshes; else only plain G-code
    """

    name: str
    follows: bool
    takes_meshes: bool

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Hand the file over and start it; give a word for the report ("delivered to …").

        When this returns, the machine has the whole file, durably where it is on disk, and prints it. When it
        raises DriverError, the machine never prints and nothing of the content remains. UncertainStart leaves
        both open. A file of that name on the host is a DriverError, never overwritten.
        """
        ...

    def look(self, delivery: Delivery) -> Sighting:
        """Ask how the job stands, after a restart of agent or host too; DriverError where nobody answers.

        Also removes what a cut-off `start` left behind where that is in the agent's reach.
        """
        ...

    def cancel(self, delivery: Delivery) -> None:
        """Ask the host to stop this job, and never another's; does nothing where it does not print."""
        ...

    def wipe(self, delivery: Delivery) -> None:
        """Delete what the host keeps of the job; nothing there is well too. DriverError while it prints."""
        ...

    def check(self) -> str:
        """Try whether the machine would take a job now; a sentence for `doctor`. DriverError where not."""
        ...

    def close(self) -> None:
        """Close what the driver holds open."""
        ...


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text)
