"""What the agent shows: lines and a bar for people on stderr, JSON for programs on stdout."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

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
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task: TaskID | None = None

    def stage(self, name: str, detail: str) -> None:
        """Print one line."""
        if self._task is not None and name != "verified":
            self._progress.remove_task(self._task)
            self._task = None
        if not self._quiet:
            self._console.print(
                f"[green]●[/] [bold]{name:<10}[/] {escape(detail)}", highlight=False, soft_wrap=True
            )

    def downloaded(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._task is None:
            self._task = self._progress.add_task("downloading", total=total)
        self._progress.update(self._task, completed=done)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


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
