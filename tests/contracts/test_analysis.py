"""Slither and halmos find nothing that is not answered, and the answers stand in ANALYSIS.md."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONTRACTS = Path(__file__).parents[2] / "contracts"


@pytest.fixture(scope="module")
def analysis() -> Any:
    spec = importlib.util.spec_from_file_location("contracts_analysis", CONTRACTS / "analysis.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestAnswers:
    def test_every_answered_finding_is_explained(self, analysis: Any) -> None:
        rows = [line for line in (CONTRACTS / "ANALYSIS.md").read_text().splitlines() if line[:1] == "|"]
        for detector, function in analysis.ANSWERED:
            name = f"`{function.removeprefix('PrintLedger.')}`"
            assert any(row.startswith(f"| `{detector}` ") and name in row for row in rows), function

    def test_reads_detector_and_function(self, analysis: Any) -> None:
        element = {
            "type": "function",
            "name": "batch",
            "type_specific_fields": {"parent": {"name": "PrintLedger"}},
        }
        finding = {"check": "assembly", "elements": [element], "description": ""}
        nowhere = {"check": "solc-version", "elements": [], "description": "old\nreally"}
        report = {"results": {"detectors": [finding, nowhere]}}
        assert list(analysis.findings(report)) == [("assembly", "PrintLedger.batch"), ("solc-version", "old")]


@pytest.mark.slow
class TestRun:
    @pytest.mark.parametrize("tool", ["slither", "halmos"])
    def test_finds_nothing_new(self, tool: str, tmp_path: Path) -> None:
        command = [
            sys.executable,
            str(CONTRACTS / "analysis.py"),
            tool,
            "--environment",
            str(tmp_path / "env"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
        assert done.returncode == 0, done.stderr
