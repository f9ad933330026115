"""The house rules that a script can see, so that they don't rot."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "ledger", "storage", "mesh_tools", "printer_agent")
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FUNCTION_LINES_MAX = 70
ENVIRONMENT_READERS = {"app/settings.py", "app/client_settings.py", "printer_agent/settings.py"}
COMMITTERS = {"app/database.py"}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        yield _name(path), ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


class TestModules:
    def test_there_are_sources(self) -> None:
        assert len(SOURCES) > 40

    def test_names_say_what_lives_there(self) -> None:
        empty_names = {"utils", "util", "helpers", "helper", "common", "misc"}
        assert [_name(p) for p in SOURCES if p.stem in empty_names] == []

    def test_every_module_says_what_it_is(self) -> None:
        assert [name for name, tree in _trees() if not ast.get_docstring(tree)] == []

    def test_functions_are_short(self) -> None:
        long = [
            f"{name}:{node.lineno} {node.name}"
            for name, tree in _trees()
            if not name.startswith("app/migrations/versions/")
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
        ]
        assert long == []

    def test_nothing_is_left_for_later(self) -> None:
        mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
        assert [_name(p) for p in SOURCES if mark.search(p.read_text(encoding="utf-8"))] == []


class TestImports:
    @pytest.mark.parametrize(
        ("library", "allowed"),
        [
            ("web3", r"ledger/web3_chain\.py"),
            ("boto3", r"storage/(backends/s3|keys/awskms)\.py"),
            ("trimesh", r"mesh_tools/.*"),
        ],
    )
    def test_a_library_has_one_home(self, library: str, allowed: str) -> None:
        users = {
            name for name, tree in _trees() for module in _imports(tree) if module.split(".")[0] == library
        }
        assert [name for name in sorted(users) if not re.fullmatch(allowed, name)] == []


class TestEnvironment:
    def test_is_read_in_the_settings_only(self) -> None:
        reads = re.compile(r"\bos\.(environ|getenv)\b")
        readers = {_name(p) for p in SOURCES if reads.search(p.read_text(encoding="utf-8"))}
        assert readers <= ENVIRONMENT_READERS


class TestTransactions:
    def test_are_committed_in_one_place(self) -> None:
        committers = {
            name
            for name, tree in _trees()
            if name.startswith("app/")
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "commit"
        }
        assert committers <= COMMITTERS
