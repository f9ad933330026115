"""What the agent shows: lines and a bar for people on stderr, JSON for programs on stdout."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from printer_agent.errors import AgentError, ServiceProblem

_PIPE_COLUMNS = 200


def console() -> Console:
    """Give the console for people: stderr, so that stdout stays a program's."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        screen.width = _PIPE_COLUMNS
    return screen


class ProgressWatcher:
    """Shows each stage as a line and the download as a bar; silent where `quiet`."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._drawn = not quiet and console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
        )
        self._task: TaskID | None = None
        self._prints = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} % {task.fields[word]}", markup=False),
            TimeElapsedColumn(),
            console=console,
        )
        self._print_task: TaskID | None = None
        self._live = Live(Group(self._progress, self._prints), console=console, transient=True)
        self._said = ""

    def stage(self, name: str, detail: str) -> None:
        """Print one line."""
        if self._task is not None and name != "verified":
            self._progress.remove_task(self._task)
            self._task = None
        if self._print_task is not None:
            self._prints.remove_task(self._print_task)
            self._print_task = None
        if not self._quiet:
            self._console.print(
                f"[green]●[/] [bold]{name:<10}[/] {escape(detail)}", highlight=False, soft_wrap=True
            )

    def downloaded(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._task is None:
            self._task = self._progress.add_task("downloading", total=total)
        self._progress.update(self._task, completed=done)

    def printing(self, percent: float | None, detail: str) -> None:
        """Move the print's bar; where nothing is drawn, tell each new word of the host's once."""
        if not self._drawn:
            if detail != self._said and not self._quiet:
                self._console.print(f"  {escape(detail)}", highlight=False, soft_wrap=True)
            self._said = detail
            return
        if self._print_task is None:
            self._print_task = self._prints.add_task("printing", total=100.0, word="")
        self._prints.update(self._print_task, completed=percent, word=detail)

    def __enter__(self) -> Self:
        if self._drawn:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def show_error(console: Console, error: AgentError, *, as_json: bool) -> None:
    """Print an error with its remedy; with `as_json` as a problem object on stdout."""
    reasons = error.reasons if isinstance(error, ServiceProblem) else ()
    if as_json:
        print_json(
            {
                "error": {
                    "kind": error.kind,
                    "message": error.message,
                    "remedy": error.remedy,
                    "reasons": [vars(reason) for reason in reasons],
                }
            }
        )
        return
    console.print(f"[red]✗ {escape(error.message)}[/]  [dim]({error.kind})[/]", highlight=False)
    if error.remedy:
        console.print(f"  → {escape(error.remedy)}", highlight=False)


def print_json(value: Any) -> None:
    """Write one JSON value to stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
