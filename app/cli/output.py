"""What the command shows: tables for people or one JSON value for programs on stdout, errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from app.cli.failures import CliError

_SEVERITIES = {"refuse": "red", "warn": "yellow", "info": "dim"}
_PIPE_COLUMNS = 200
_GOOD = frozenset({"published", "active", "enrolled", "ready", "reported", "completed", "pass", "confirmed"})
_BAD = frozenset({"refused", "rejected", "revoked", "retired", "failed", "refuse"})


def console(*, error: bool = False) -> Console:
    """Give the console for people: stdout, or stderr for progress and errors."""
    from rich.console import Console

    screen = Console(stderr=error, highlight=False)
    if not screen.is_terminal:
        screen.width = _PIPE_COLUMNS
    return screen


def emit(value: Any) -> None:
    """Write one JSON value to stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def emit_line(value: Any) -> None:
    """Write one JSON value on one line of stdout, for programs that read on."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def show(as_json: bool, value: Any, draw: Callable[[Any], None]) -> None:
    """Show a value: as JSON, or as `draw` does for people."""
    if as_json:
        emit(value)
    else:
        draw(value)


def say(text: str) -> None:
    """Print a line for people; Rich markup allowed, so values go through `plain`."""
    console().print(text, soft_wrap=True)


def plain(value: object) -> str:
    """Make a value safe to print: no markup, no control characters."""
    from rich.markup import escape

    text = "–" if value is None else str(value)
    return escape("".join(letter if letter.isprintable() else "·" for letter in text))


def coloured(state: object) -> str:
    """Give a state the colour of its kind."""
    word = plain(state)
    colour = "green" if word in _GOOD else "red" if word in _BAD else "yellow"
    return f"[{colour}]{word}[/]"


def table(
    rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Callable[[Mapping[str, Any]], object]]
) -> Table:
    """Draw rows; each column's function gives a cell, `state` cells are coloured."""
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        cells = ((name, cell(row)) for name, cell in columns.items())
        drawn.add_row(
            *(coloured(cell) if name in {"state", "verdict"} else plain(cell) for name, cell in cells)
        )
    return drawn


def fields(title: str, values: Mapping[str, object]) -> None:
    """Print one thing: a title and its values, one a line."""
    width = max((len(name) for name in values), default=0)
    say(f"[bold]{plain(title)}[/]")
    for name, value in values.items():
        shown = coloured(value) if name == "state" else plain(value)
        say(f"  {name:<{width}}  {shown}")


def findings(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print the gate's findings as a table, or that there are none."""
    from rich import box
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("severity", "code", "count", "where, mm", "what", "advice"):
        drawn.add_column(name, overflow="fold")
    for row in rows:
        sample = row.get("sample")
        where = "" if not sample else ", ".join(f"{axis:.2f}" for axis in sample)
        severity = str(row["severity"])
        coloured_severity = f"[{_SEVERITIES.get(severity, 'white')}]{plain(severity)}[/]"
        texts = (row["code"], row.get("count", ""), where, row.get("message", ""), row.get("advice", ""))
        drawn.add_row(coloured_severity, *(plain(text) for text in texts))
    if drawn.row_count:
        console().print(drawn)
    else:
        say("  no findings")


def fail(error: CliError, *, as_json: bool) -> None:
    """Print an error: what happened, why, what to do."""
    if as_json:
        emit(error.to_json())
        return
    screen = console(error=True)
    screen.print(f"[red]✗ {plain(error.message)}[/]  [dim]({plain(error.kind)})[/]", soft_wrap=True)
    for reason in error.reasons:
        said = str(reason.get("message") or reason.get("code"))
        if said not in error.message:
            screen.print(f"  • {plain(said)}", soft_wrap=True)
    if error.remedy:
        screen.print(f"  → {plain(error.remedy)}", soft_wrap=True)
