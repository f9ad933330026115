from __future__ import annotations

import ast
import re
from pathlib import Path

from mesh_tools.catalogue import CATALOGUE, NEGOTIABLE, severity_for

_ROOT = Path(__file__).parents[2]
_WORDS = {"refuse": "refuses", "warn": "warns", "info": "informs"}


class TestCatalogue:
    def test_is_what_the_documentation_says(self) -> None:
        page = (_ROOT / "docs" / "findings.md").read_text()
        documented = dict(re.findall(r"^\| `([a-z._]+)` \| (\w+)", page, re.MULTILINE))
        assert documented == {code: _WORDS[severity] for code, (severity, _) in CATALOGUE.items()}

    def test_names_the_negotiable_ones_in_the_documentation(self) -> None:
        page = (_ROOT / "docs" / "findings.md").read_text()
        assert set(re.findall(r"^\| `([a-z._]+)` \| refuses, negotiable", page, re.MULTILINE)) == NEGOTIABLE

    def test_knows_every_code_that_the_sources_use(self) -> None:
        used = set()
        for path in (_ROOT / "mesh_tools").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    used.update(
                        re.findall(
                            r"^(?:input|format|stl|sandbox|limit|package|content|mesh|units|build|wall|gap"
                            r"|overhang|toolpath|render)\.[a-z_]+$",
                            node.value,
                        )
                    )
        files = {"format.unknown", "mesh.py"}
        assert used - files <= set(CATALOGUE)
        assert set(CATALOGUE) <= used

    def test_refuses_what_nobody_classified(self) -> None:
        assert severity_for("new.thing") == "refuse"
