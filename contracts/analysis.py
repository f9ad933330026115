"""Run slither and halmos over the contract, in an environment of their own, and judge what they say.

    python contracts/analysis.py              both
    python contracts/analysis.py slither      one of them

The tools are pinned in `PINS` and installed by pip into `--environment` (default: `cache/analysis` here, kept
between runs). They work on a copy of the sources, so that nothing in the checkout is rebuilt or removed.
Every finding of slither must be one of `ANSWERED`, which `ANALYSIS.md` explains, and every proof of halmos
must pass. Exit code 0: that is so; 1: it is not; 2: wrong usage.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent
PINS: Final = ("slither-analyzer==0.11.6", "halmos==0.3.3")
ANSWERED: Final = frozenset(
    {
        ("timestamp", "PrintLedger._requirePermitted"),
        ("timestamp", "PrintLedger._requireInForce"),
        ("assembly", "PrintLedger.recordPrint"),
        ("assembly", "PrintLedger.batch"),
        ("assembly", "PrintLedger._returned"),
        ("assembly", "PrintLedger._recover"),
        ("assembly", "PrintLedger._requirePrinterSignature"),
    }
)
"""Slither's findings by detector and function, each with its answer in `ANALYSIS.md`."""
PROOFS: Final = "WindowProof"
SOLVER_MS: Final = 300_000
TOOL_SECONDS: Final = 1800


class AnalysisError(Exception):
    """A tool did not run, or found what nobody has answered."""


def prepare(environment: Path) -> Path:
    """Return the folder of the tools' programs, installed if they are not."""
    programs = environment / "bin"
    stamp = environment / "installed"
    if not stamp.is_file() or stamp.read_text() != "\n".join(PINS):
        run([sys.executable, "-m", "venv", "--clear", str(environment)])
        run([str(programs / "pip"), "install", "--quiet", *PINS])
        stamp.write_text("\n".join(PINS))
    return programs


def copy_sources(folder: Path) -> Path:
    """Copy what the tools compile; the libraries are linked."""
    for name in ("src", "bin"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "test").mkdir()
    shutil.copy(ROOT / "test" / f"{PROOFS}.t.sol", folder / "test")
    shutil.copy(ROOT / "foundry.toml", folder)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


def slither(programs: Path, project: Path) -> str:
    """Run slither; AnalysisError names the findings without an answer and the answers without a finding."""
    report = project / "slither.json"
    command = [str(programs / "slither"), ".", "--filter-paths", "node_modules|test", "--json", str(report)]
    run(command, project, accepted=(0, 255))
    found = set(findings(json.loads(report.read_text())))
    if strange := sorted(found - ANSWERED):
        raise AnalysisError(f"slither: not answered in ANALYSIS.md: {strange}")
    if gone := sorted(ANSWERED - found):
        raise AnalysisError(f"slither: answered, but no longer found; take out: {gone}")
    return f"slither: {len(found)} findings, all answered"


def findings(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield detector and function of each finding in slither's report."""
    for finding in report.get("results", {}).get("detectors", []):
        names = [element for element in finding["elements"] if element["type"] == "function"]
        if not names:
            yield finding["check"], finding["description"].split("\n")[0]
            continue
        name = names[0]["name"]
        parent = names[0]["type_specific_fields"]["parent"]["name"]
        yield finding["check"], f"{parent}.{name}"


def halmos(programs: Path, project: Path) -> str:
    """Run the proofs; AnalysisError if one does not pass."""
    command = [str(programs / "halmos"), "--contract", PROOFS, "--solver-timeout-assertion", str(SOLVER_MS)]
    answer = run([*command, "--json-output", str(project / "halmos.json")], project, accepted=(0, 1))
    report = json.loads((project / "halmos.json").read_text())
    results = [test for tests in report["test_results"].values() for test in tests]
    failed = [test["name"] for test in results if test["exitcode"] != 0]
    if failed or not results:
        raise AnalysisError(f"halmos: not proved: {failed}\n{answer}")
    return f"halmos: {len(results)} proofs pass"


def run(command: list[str], folder: Path | None = None, accepted: tuple[int, ...] = (0,)) -> str:
    """Run a program with the contracts' compiler and forge on its path and return what it prints."""
    path = os.pathsep.join([str((folder or ROOT) / "bin"), os.environ["PATH"]])
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=TOOL_SECONDS,
    )
    if done.returncode not in accepted:
        raise AnalysisError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout + done.stderr


def main() -> int:
    """Run the command line."""
    tools = {"slither": slither, "halmos": halmos}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tools", nargs="*", choices=[*tools, []], help="which to run (default: both)")
    default = ROOT / "cache" / "analysis"
    parser.add_argument("--environment", type=Path, default=default, help="where the tools are installed")
    options = parser.parse_args()
    try:
        programs = prepare(options.environment.resolve())
        for name in options.tools or tools:
            with tempfile.TemporaryDirectory() as folder:
                sys.stdout.write(tools[name](programs, copy_sources(Path(folder))) + "\n")
                sys.stdout.flush()
    except (AnalysisError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
