"""Progress on stderr: bytes flowing, things done one after another, and things awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.cli.output import console


@contextmanager
def transfer(label: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show bytes flowing; the function given takes how many have come since the last call."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    screen = console(error=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=quiet or not screen.is_terminal,
    )
    with bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def counting(label: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show things being done, with their rate; the function given takes how many since the last call."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = console(error=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
        disable=quiet or not screen.is_terminal,
    )

    def advance(count: int) -> None:
        bar.advance(task, count)
        speed = bar.tasks[task].speed
        bar.update(task, rate=f"{speed:,.0f}/s" if speed else "")

    with bar:
        task = bar.add_task(label, total=total, rate="")
        yield advance


@contextmanager
def waiting(label: str, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show that something is awaited, with the seconds gone; the function given changes the label."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    screen = console(error=True)
    spinner = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=screen,
        transient=True,
        disable=quiet or not screen.is_terminal,
    )
    with spinner:
        task = spinner.add_task(label, total=None)
        yield lambda text: spinner.update(task, description=text)
