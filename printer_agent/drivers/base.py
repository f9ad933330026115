"""The port every driver fills."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_STEM_MAX = 60
_EXTENSIONS = {"3mf": ".3mf"}


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


class Driver(Protocol):
    """A printer, or what stands in front of it.

    name: short word for reports (`folder`, …).
    """

    name: str

    def start(self, delivery: Delivery, content: Iterable[bytes]) -> str:
        """Hand the file over and start it; give a word for the report ("delivered to …").

        When this returns, the machine has the whole file, durably where it is on disk. When it raises
        (DriverError), the machine never sees a part of it, and nothing of the content remains.
        """
        ...

    def arrived(self, delivery: Delivery) -> bool:
        """Whether the machine has the whole file of an earlier `start`, for the first look after a crash.

        Also removes what a cut-off `start` left behind.
        """
        ...

    def check(self) -> str:
        """Try whether the machine would take a job now; a sentence for `doctor`. DriverError where not."""
        ...


def _safe(text: str) -> str:
    return _UNSAFE.sub("-", text)
