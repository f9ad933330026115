from __future__ import annotations

from pathlib import Path

import pytest

from mesh_tools.inspect import Inspection
from mesh_tools.sandbox import Sandbox
from tests.mesh_tools.corpus import Row, inspected, past_the_package_checks, read_table

_SECONDS_MAX = 20


@pytest.fixture(scope="module")
def results(corpus: Path, sandbox: Sandbox) -> list[tuple[Row, Inspection]]:
    return list(inspected(corpus, sandbox))


class TestCorpus:
    def test_verdicts_are_those_of_the_table(self, results: list[tuple[Row, Inspection]]) -> None:
        assert [row for row, _ in results] == read_table()

    def test_every_invalid_file_is_refused(self, results: list[tuple[Row, Inspection]]) -> None:
        passed = [
            row.path for row, _ in results if row.label in {"invalid", "reject"} and row.verdict == "pass"
        ]
        assert passed == []

    def test_every_valid_file_gets_past_the_package_checks(
        self, results: list[tuple[Row, Inspection]]
    ) -> None:
        refused = [
            row for row, _ in results if row.label in {"valid", "accept"} and not past_the_package_checks(row)
        ]
        assert refused == []

    def test_no_file_breaks_its_reader_or_takes_long(self, results: list[tuple[Row, Inspection]]) -> None:
        assert [row for row, _ in results if "sandbox." in row.reasons] == []
        assert max(inspection.seconds for _, inspection in results) < _SECONDS_MAX


class TestTable:
    def test_holds_no_wrong_verdict(self) -> None:
        rows = read_table()
        assert len(rows) == 490
        assert not [row for row in rows if row.label in {"invalid", "reject"} and row.verdict == "pass"]
        assert all(past_the_package_checks(row) for row in rows if row.label in {"valid", "accept"})
