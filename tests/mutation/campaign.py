"""What is mutated, which tests decide, and the mutants that no test can notice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
MEMORY_BYTES_MIN = 1024**3
COPIED = (
    "docs/formats",
    "pyproject.toml",
    "storage",
    "tests/conftest.py",
    "tests/conformance",
    "tests/mutation",
    "tests/storage",
    "tests/vectors",
)
BOUNDS = "tests/storage/test_vault_bounds.py"

TESTS = {
    "storage/stream.py": (BOUNDS, "tests/storage/test_vault_attacks.py", "tests/storage/test_stream.py"),
    "storage/envelope.py": (BOUNDS, "tests/storage/test_envelope.py", "tests/storage/test_stream.py"),
    "storage/vault.py": (BOUNDS, "tests/storage/test_vault_attacks.py", "tests/storage/test_vault.py"),
    "storage/files.py": ("tests/storage/test_files.py",),
    "storage/keys/base.py": (BOUNDS, "tests/storage/keys/test_base.py", "tests/storage/keys/test_file.py"),
    "storage/keys/file.py": (
        BOUNDS,
        "tests/storage/keys/test_file.py",
    ),
    "storage/backends/base.py": ("tests/storage/backends/test_memory.py",),
    "storage/backends/local.py": ("tests/storage/backends/test_local.py",),
    "storage/durable.py": ("tests/storage/test_durable.py", "tests/storage/backends/test_local.py"),
    "storage/secret.py": ("tests/storage/test_secret.py",),
}
"""The modules, and their tests in the order in which they run, until the first that fails."""

CRITICAL = {
    "storage/stream.py": (
        "<module>", "ciphertext_length", "plaintext_length", "check_header", "_MessageKeys.__init__",
        "_MessageKeys.open", "decrypt_views", "decrypt_range",
    ),
    "storage/envelope.py": ("<module>", "ObjectContext.__post_init__", "ObjectContext.encode"),
    "storage/vault.py": ("Vault.check", "Vault._check_size", "_judged", "_metered"),
    "storage/files.py": ("decrypt_file",),
    "storage/keys/base.py": ("associated_data",),
    "storage/keys/file.py": ("FileKeys.unwrap", "FileKeys._version"),
}  # fmt: skip
"""The checks of commitment, context, final chunk and lengths."""

WHOLE = ("storage/envelope.py", "storage/keys/base.py", "storage/vault.py")
"""Modules of which no mutant at all survives without a reason."""


@dataclass(frozen=True)
class Equivalent:
    """A mutant that behaves as the original does wherever it matters, and why."""

    path: str
    function: str
    before: str
    after: str
    reason: str

    @property
    def name(self) -> tuple[str, str, str, str]:
        """As `Mutant.name`."""
        return self.path, self.function, self.before, self.after


def equivalents() -> list[Equivalent]:
    """Read the committed table, `equivalent.json` beside this module."""
    content = Path(__file__).with_name("equivalent.json").read_text(encoding="utf-8")
    return [Equivalent(**row) for row in json.loads(content)]


def critical() -> list[Mutant]:
    """Return every mutant of the critical checks."""
    return [
        mutant for path, functions in CRITICAL.items() for mutant in mutants(path, _source(path), functions)
    ]


def whole(paths: Iterable[str] = TESTS) -> list[Mutant]:
    """Return every mutant of these modules."""
    return [mutant for path in paths for mutant in mutants(path, _source(path))]


def survivors(
    candidates: Sequence[Mutant], note: Callable[[Mutant, bool], object] = lambda mutant, noticed: None
) -> list[Mutant]:
    """Return those that no test notices; `note` is told each verdict as it comes.

    Everything runs in a copy of the tree. Raises `RuntimeError` where a test fails without any defect.
    """
    sound = [(path, _source(path), TESTS[path]) for path in sorted({mutant.path for mutant in candidates})]
    tasks = [*sound, *((mutant.path, mutant.source, TESTS[mutant.path]) for mutant in candidates)]
    left = []
    with tempfile.TemporaryDirectory(prefix="mutation-", dir=_fast_folder()) as folder:
        _copy_tree(Path(folder))
        for number, noticed in _verdicts(Path(folder), tasks, len(sound)):
            if number >= len(sound):
                mutant = candidates[number - len(sound)]
                note(mutant, noticed)
                left += [] if noticed else [mutant]
            elif noticed:
                said = (Path(folder) / f"said-{number}").read_text(errors="replace")
                raise RuntimeError(f"without a defect the tests of {sound[number][0]} fail:\n{said[-3000:]}")
    return sorted(left, key=lambda mutant: (mutant.path, mutant.line))


def _verdicts(folder: Path, tasks: Sequence[object], sound: int) -> Iterator[tuple[int, bool]]:
    command, judged = [sys.executable, "-m", "tests.mutation.forks"], 0
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"tasks": tasks, "sound": sound}))
        process.stdin.close()
        for line in process.stdout:
            number, noticed = json.loads(line)
            judged += 1
            yield number, noticed
    if judged < len(tasks):
        raise RuntimeError(f"only {judged} of {len(tasks)} mutants were judged")


def _fast_folder() -> str | None:
    """Return a folder in memory where it has room, as most of the tests' time is waiting for a disk."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES_MIN
    return str(memory) if roomy else None


def _copy_tree(folder: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def _source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
