"""What the demo stands on: commands run as a user would, a service of its own, and a readable account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

BIN = Path(sys.executable).parent
START_TIMEOUT_S = 30.0


class RefusedError(Exception):
    """A command said no: its problem, as the command told it."""

    def __init__(self, command: str, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("message", problem)))
        self.command = command
        self.problem = problem


class Account:
    """The readable account: numbered steps, what happened, the transaction behind it, how long it took."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
        self.began = time.monotonic()
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Tell one step; its time stands at its end."""
        self._number += 1
        self.console.print(f"\n[bold cyan]{self._number:>2}[/]  [bold]{escape(title)}[/]")
        began = time.monotonic()
        yield
        self.console.print(f"      [dim]{time.monotonic() - began:.1f} s[/]")

    def command(self, words: list[str]) -> None:
        """Show the command a reader could have typed."""
        shown = " ".join(word if " " not in word else f'"{word}"' for word in words)
        self.console.print(f"      [dim]$ {escape(shown)}[/]", soft_wrap=True)

    def fact(self, text: str, *, good: bool | None = None) -> None:
        """One line of what happened."""
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: " "}[good]
        self.console.print(f"    {mark} {text}", soft_wrap=True)

    def receipt(self, what: str, receipt: Mapping[str, Any]) -> None:
        """The transaction behind a step."""
        self.fact(
            f"{escape(what)}: block {receipt['block_number']}, transaction {receipt['transaction']}",
            good=True,
        )


@dataclass
class Stage:
    """A folder for everything the demo keeps, and the environment its commands run in."""

    account: Account
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, words: list[str], *, as_party: Mapping[str, str] | None = None, hide: str = "") -> Any:
        """Run a command with `--json` and return what it says; RefusedError where its answer is no."""
        self.account.command([word if word != hide else "…" for word in words])
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:], "--json"],
            env={**self.environment, **(as_party or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode != 0:
            raise RefusedError(" ".join(words[:3]), _problem(done.stdout, done.stderr))
        return json.loads(done.stdout)

    @contextmanager
    def background(self, words: list[str], log: str) -> Iterator[dict[str, Any]]:
        """Keep a command running for the block; gives the line it says once it is ready."""
        self.account.command(words)
        with (self.folder / log).open("wb") as errors:
            process = subprocess.Popen(
                [str(BIN / words[0]), *words[1:], "--json"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                said = (self.folder / log).read_text(encoding="utf-8", errors="replace")[-2000:]
                raise RefusedError(" ".join(words), {"message": f"it did not start:\n{said}"})
            yield json.loads(line)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def environment(state: Path) -> dict[str, str]:
    """The demo's own variables, whatever the caller's shell has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARTVAULT_")}
    return {**kept, "PARTVAULT_DATA_DIR": str(state / "data")}


def _problem(stdout: str, stderr: str) -> dict[str, Any]:
    for text in (stdout, stderr):
        try:
            said = json.loads(text)
        except json.JSONDecodeError:
            continue
        return dict(said["error"]) if "error" in said else dict(said)
    return {"message": stderr.strip() or stdout.strip() or "no word"}
