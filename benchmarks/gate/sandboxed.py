"""The whole inspection in its sandbox: what the process around it costs, and a picture with it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, announce
from benchmarks.gate import meshes, ours
from benchmarks.gate.checks import FACETS
from benchmarks.vault.steady import middle_half
from mesh_tools.gate import Policy
from mesh_tools.sandbox import Sandbox

ROUNDS = 3
DRAWN_FACETS = 100_000


def figures() -> Iterator[Figure]:
    """Yield the time of a whole inspection, over the same work outside, and with a picture."""
    announce(f"whole inspections, {ROUNDS} rounds")
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder, Sandbox() as sandbox:
        million, drawn = Path(folder, "1m.stl"), Path(folder, "100k.stl")
        meshes.write_stl(million, FACETS)
        meshes.write_stl(drawn, DRAWN_FACETS)
        inside, outside, pictured = [], [], []
        for _ in range(ROUNDS):
            inside.append(_seconds(sandbox, million, pictures=False))
            begun = time.perf_counter()
            refusals = ours.inspect(million)()
            outside.append(time.perf_counter() - begun)
            assert refusals == [0], refusals
            pictured.append(_seconds(sandbox, drawn, pictures=True))
    over = [within / bare for within, bare in zip(inside, outside, strict=True)]
    yield _figure("whole inspection of 1M facets in the sandbox", inside, "s", None)
    yield _figure("sandbox over the bare inspection, 1M facets", over, "×", 2)
    yield _figure("whole inspection and thumbnail of 100k facets", pictured, "s", 1)


def _seconds(sandbox: Sandbox, path: Path, *, pictures: bool) -> float:
    begun = time.perf_counter()
    with path.open("rb") as stream:
        blocks = iter(lambda: stream.read(1 << 20), b"")
        inspection = sandbox.inspect(blocks, filename=path.name, policy=Policy(), pictures=pictures)
    assert inspection.verdict == "pass", inspection.reasons
    return time.perf_counter() - begun


def _figure(label: str, values: list[float], unit: str, bar: float | None) -> Figure:
    return Figure(label, statistics.median(values), unit, bar, "lower", middle_half(values))
