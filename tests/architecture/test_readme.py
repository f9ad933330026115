"""The README tells the truth: its first screen, its links, its targets and its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli import app as partvault
from printer_agent.cli import app as partvault_printer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = "\n".join(README.splitlines()[:30])
PROGRAMS = {"partvault": partvault, "partvault-printer": partvault_printer}


def commands() -> list[str]:
    """Every command line of ours in the README's code blocks."""
    blocks = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.startswith("partvault")]


class TestFirstScreen:
    def test_says_for_whom_and_how(self) -> None:
        for word in ("owner", "provider", "auditor", "make demo", "make test", "Python 3.11", "Node 20"):
            assert word in FIRST_SCREEN

    def test_names_targets_that_exist(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
        named = set(re.findall(r"`?make ([a-z-]+)", README))
        assert named >= {"demo", "test", "serve"}
        assert named <= targets

    def test_ci_calls_its_test_command(self) -> None:
        assert "make lint test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


class TestLinks:
    def test_lead_somewhere(self) -> None:
        links = [*re.findall(r"\]\(([^)#]+)\)", README), *re.findall(r'src="([^"]+)"', README)]
        assert links
        assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


class TestCommands:
    def test_there_are_some(self) -> None:
        assert len(commands()) >= 10

    @pytest.mark.parametrize("line", commands())
    def test_exist_with_their_options(self, line: str) -> None:
        program, *words = shlex.split(line)
        command: Any = typer.main.get_command(PROGRAMS[program])
        while words and hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in words if word.startswith("-") and word not in known] == []
