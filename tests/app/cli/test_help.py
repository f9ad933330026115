"""Tests of the command's shape: help everywhere, --json everywhere, a quick start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import app
from printer_agent.cli import app as printer_app

HEAVY = (
    "fastapi",
    "sqlalchemy",
    "uvicorn",
    "web3",
    "numpy",
    "httpx2",
    "pydantic",
    "rich.progress",
    "cryptography",
)


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, found in inner.items():
        yield from leaves(found, f"{path} {name}")


COMMANDS = [
    *leaves(typer.main.get_command(app), "partvault"),
    *leaves(typer.main.get_command(printer_app), "partvault-printer"),
]


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(path, found, id=path) for path, found in COMMANDS]
)
class TestEveryCommand:
    def test_explains_itself(self, path: str, command: Any) -> None:
        assert command.help
        options = [item for item in command.params if item.param_type_name == "option"]
        assert [item.name for item in options if not getattr(item, "help", None)] == []

    def test_speaks_json(self, path: str, command: Any) -> None:
        assert "--json" in [word for item in command.params for word in item.opts]


class TestNouns:
    def test_are_all_there(self) -> None:
        found = {path.removeprefix("partvault ") for path, _ in COMMANDS if path.startswith("partvault ")}
        assert found == {
            *(
                "serve",
                "worker",
                "audit",
                "evidence",
                "mesh check",
                "mesh render",
                "ledger status",
                "ledger serve",
            ),
            *("mesh secure", "mesh open"),
            *("ledger deploy", "ledger replay", "ledger export"),
            *("org create", "org list", "api-key create", "api-key list", "api-key revoke"),
            *("keys status", "keys rotate", "keys destroy", "keys shred", "vault fsck"),
            *("design upload", "design list", "design show", "design publish"),
            *("design recover", "design thumbnail"),
            *("licence grant", "licence list", "licence show", "licence revoke"),
            *("licence consent", "licence transfer", "licence transfers"),
            *("plate check", "plate create", "plate show", "plate withdraw"),
            *("printer enrol", "printer list", "printer show", "printer approve", "printer retire"),
            *("printer quarantine", "printer lift", "printer alarms", "printer rotate", "printer facts"),
            *("mesh diff", "mesh canonical", "design similar"),
            *(
                "print check",
                "print authorise",
                "print withdraw",
                "print reissue",
                "print list",
                "print certificate",
                "certificate verify",
                "print show",
            ),
        }


class TestStart:
    @pytest.mark.parametrize("module", ["app.cli", "printer_agent.cli"])
    def test_loads_nothing_heavy_for_help(self, module: str) -> None:
        script = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]"


class TestVersion:
    @pytest.mark.parametrize("program", ["partvault", "partvault-printer"])
    def test_is_that_of_the_distribution(self, program: str) -> None:
        command = [Path(sys.executable).with_name(program), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said.strip() == metadata.version("partvault")
