"""The contract's README names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "contracts"
NAME = re.compile(r"`((?:test|testFuzz|invariant|check)_\w+)`")


class TestReadme:
    def test_every_test_it_names_exists(self) -> None:
        sources = "".join(path.read_text() for path in (CONTRACTS / "test").glob("*.sol"))
        text = "".join((CONTRACTS / name).read_text() for name in ("README.md", "ANALYSIS.md"))
        names = set(NAME.findall(text))
        assert len(names) > 30
        assert not [name for name in names if f"function {name}(" not in sources]

    def test_every_published_attacks_test_stands_in_the_table(self) -> None:
        source = (CONTRACTS / "test/Attacks.t.sol").read_text()
        table = (CONTRACTS / "README.md").read_text()
        assert set(re.findall(r"function ((?:test|testFuzz)_\w+)", source)) <= set(NAME.findall(table))
