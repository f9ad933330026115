"""What the tests of a whole print ask of any real printer host."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class PrinterHost(Protocol):
    """A printer host with its machine.

    driver: the agent's word for it
    url: where it listens
    memory_log: the log of its firmware where that quotes G-code and so is kept in memory
    """

    driver: str
    url: str
    memory_log: Path | None

    @property
    def disk(self) -> Path:
        """The folder of all it keeps on disk, its programs' own logs included."""

    @property
    def api_key(self) -> str | None:
        """What the agent needs to be let in, as its host.key holds it."""

    @property
    def environment(self) -> dict[str, str]:
        """What else the agent is told of this host."""

    def admit(self, home: Path) -> None:
        """Let in the agent of this home, as a person at the machine would."""

    def printing(self) -> Path | None:
        """Give the file it prints just now."""

    def outcomes(self, name: str) -> list[str]:
        """What the host itself noted of a file, in its own words and order."""

    def break_down(self) -> None:
        """Let the machine fail in the middle of what it does."""

    def repair(self) -> None:
        """Make it ready again, as a person would after a failure."""
