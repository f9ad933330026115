"""The committed artifact is what the sources compile to, and the build says so when it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONTRACTS = Path(__file__).parents[2] / "contracts"


def build(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "build.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "contracts"
    folder.mkdir()
    for name in ("src", "bin", "artifacts"):
        shutil.copytree(CONTRACTS / name, folder / name)
    for name in ("build.py", "foundry.toml"):
        shutil.copy(CONTRACTS / name, folder / name)
    (folder / "node_modules").symlink_to(CONTRACTS / "node_modules")
    return folder


class TestCheck:
    def test_the_committed_artifact_is_current_wherever_it_is_built(self, copy: Path) -> None:
        done = build(copy, "--check")
        assert (done.returncode, done.stderr) == (0, "")

    def test_names_what_differs(self, copy: Path) -> None:
        artifact = copy / "artifacts" / "PrintLedger.json"
        artifact.write_text(
            artifact.read_text().replace('"deployedBytecode": "0x60', '"deployedBytecode": "0x61')
        )
        done = build(copy, "--check")
        assert done.returncode == 1
        assert "different: deployedBytecode" in done.stderr
        assert "run `python contracts/build.py`" in done.stderr

    def test_reports_a_source_that_does_not_compile(self, copy: Path) -> None:
        source = copy / "src" / "PrintLedger.sol"
        source.write_text(
            source.read_text().replace("revert PrintLedger_NestedBatch", "revert Nothing", 1) + "}"
        )
        done = build(copy)
        assert done.returncode == 1
        assert "ParserError" in done.stderr

    def test_reports_missing_packages(self, copy: Path) -> None:
        (copy / "node_modules").unlink()
        done = build(copy, "--check")
        assert done.returncode == 1
        assert "npm ci" in done.stderr


class TestForgeLauncher:
    """A failed contract test must fail the build; npm's own launcher swallows forge's exit code."""

    def test_ends_as_forge_ended(self) -> None:
        forge = CONTRACTS / "bin" / "forge"
        assert subprocess.run([forge, "--version"], capture_output=True, check=False).returncode == 0
        assert subprocess.run([forge, "no-such-command"], capture_output=True, check=False).returncode != 0
