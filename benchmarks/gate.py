"""The gate's figures: a million facets checked, against reading and hashing them, and against trimesh.

All contenders run in turn within each round; a figure is the median over the rounds. The whole check is the
one the sandbox's children run: read, SHA-256, finite, closed, manifold, wound, duplicate, degenerate, shells,
volume, area, bounds. `python benchmarks/gate.py memory FILE` prints what one check adds up to, in MiB.
"""

from __future__ import annotations

import hashlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # found too where this file is run by its path

from benchmarks.figures import Figure
from mesh_tools import stl
from mesh_tools.examine import examine_file
from mesh_tools.findings import Report
from mesh_tools.gate import Policy
from mesh_tools.limits import Limits
from mesh_tools.sandbox import Sandbox

ROUNDS = 5
FACETS = 1_000_000
MANY_FACETS = 5_000_000
DRAWN_FACETS = 100_000

Points = NDArray[np.float32]
Facets = NDArray[np.int64]

_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
_OPC = "http://schemas.openxmlformats.org/package/2006"


def ball(facets: int) -> tuple[Points, Facets]:
    """A closed ball of radius 50 mm with about `facets` facets, in the order a slicer would write them."""
    rings = int((facets / 2) ** 0.5)
    around = np.linspace(0, 2 * np.pi, rings, endpoint=False)
    down = np.linspace(0, np.pi, rings + 2)[1:-1]
    circle = np.stack([np.cos(around), np.sin(around), np.zeros(rings)], axis=1)
    bands = [circle * np.sin(turn) + (0, 0, np.cos(turn)) for turn in down]
    points = np.concatenate([[(0, 0, 1)], *bands, [(0, 0, -1)]]) * 50
    here = np.arange(rings)
    after = (here + 1) % rings
    rows = [np.stack([np.zeros_like(here), 1 + here, 1 + after], axis=1)]
    for ring in range(rings - 1):
        high, low = 1 + ring * rings, 1 + (ring + 1) * rings
        rows.append(np.stack([high + here, low + here, high + after], axis=1))
        rows.append(np.stack([high + after, low + here, low + after], axis=1))
    last = 1 + (rings - 1) * rings
    rows.append(np.stack([last + here, np.full_like(here, len(points) - 1), last + after], axis=1))
    return points.astype(np.float32), np.concatenate(rows)


def write_stl(path: Path, facets: int) -> None:
    """Write the ball as binary STL."""
    points, indices = ball(facets)
    records = np.zeros(len(indices), stl.RECORD)
    records["corners"] = points[indices]
    path.write_bytes(bytes(80) + len(indices).to_bytes(4, "little") + records.tobytes())


def write_3mf(path: Path, facets: int) -> None:
    """Write the ball as a plain 3MF package."""
    points, indices = ball(facets)
    vertices = "\n".join(f'<vertex x="{x:.6g}" y="{y:.6g}" z="{z:.6g}" />' for x, y, z in points.tolist())
    triangles = "\n".join(f'<triangle v1="{a}" v2="{b}" v3="{c}" />' for a, b, c in indices.tolist())
    model = (
        f'<model unit="millimeter" xmlns="{_CORE}"><resources><object id="1" type="model"><mesh><vertices>\n'
        f"{vertices}\n</vertices><triangles>\n{triangles}\n</triangles></mesh></object></resources>"
        '<build><item objectid="1" /></build></model>'
    )
    types = (
        f'<Types xmlns="{_OPC}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml" /><Default Extension="model" '
        'ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml" /></Types>'
    )
    start = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
    relationships = (
        f'<Relationships xmlns="{_OPC}/relationships"><Relationship Id="r" Type="{start}" '
        'Target="/3D/3dmodel.model" /></Relationships>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", types)
        package.writestr("_rels/.rels", relationships)
        package.writestr("3D/3dmodel.model", model)


def read_and_hash(path: Path) -> bytes:
    """The floor: every byte read and hashed, nothing else."""
    return hashlib.sha256(path.read_bytes()).digest()


def check(path: Path) -> Report:
    """What a sandboxed child does with a file, and the hash that its parent takes."""
    data = path.read_bytes()
    hashlib.sha256(data).digest()
    report = examine_file(memoryview(data), filename=path.name, policy=Policy(), pictures=False, limits=Limits())
    if report.geometry is None or not report.geometry.watertight:
        raise RuntimeError(f"the ball was not found sound: {report.findings}")
    return report


def check_by_trimesh(path: Path) -> tuple[Any, ...]:
    """The same questions put to trimesh."""
    import trimesh

    hashlib.sha256(path.read_bytes()).digest()
    mesh = trimesh.load_mesh(io.BytesIO(path.read_bytes()), file_type="stl")
    return (
        mesh.is_watertight, mesh.is_winding_consistent, mesh.volume, mesh.area, mesh.bounds, mesh.body_count,
        mesh.nondegenerate_faces().all(), mesh.unique_faces().all(), np.isfinite(mesh.vertices).all(),
    )  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def memory_mib(path: Path) -> float:
    """Peak resident memory of a fresh process that runs one check of `path`, the interpreter included."""
    command = [sys.executable, __file__, "memory", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure() -> list[Figure]:
    """Measure everything in one run."""
    with tempfile.TemporaryDirectory() as folder:
        million, many, package = Path(folder, "1m.stl"), Path(folder, "5m.stl"), Path(folder, "1m.3mf")
        write_stl(million, FACETS)
        write_stl(many, MANY_FACETS)
        write_3mf(package, FACETS)
        rounds = [_round(million, many, package) for _ in range(ROUNDS)]
        drawn_s = _drawn(Path(folder, "drawn.stl"))
        memory = memory_mib(million)

    def median(name: str) -> float:
        return statistics.median(row[name] for row in rounds)

    ours = median("check")
    over_floor = statistics.median(row["check"] / row["floor"] for row in rounds)
    return [
        Figure("check of 1M facets over read and hash", over_floor,
               "×", 6, "lower"),
        Figure("check of 1M facets", ours * 1000, "ms", 1000, "lower"),
        Figure("trimesh's checks over ours, 1M facets", median("trimesh") / ours, "×", 10, "higher"),
        Figure("peak memory of a 1M-facet check", memory, "MiB", 200, "lower"),
        Figure("5M facets over five times 1M", median("many") / (5 * ours), "×", 1.2, "lower"),
        Figure("check of a 1M-facet 3MF", median("package"), "s", 3, "lower"),
        Figure("sandbox over the bare check, 1M facets", median("sandbox") / ours, "×", 2, "lower"),
        Figure("check and thumbnail of 100k facets", drawn_s, "s", 1, "lower"),
    ]  # fmt: skip


def _round(million: Path, many: Path, package: Path) -> dict[str, float]:
    with Sandbox() as sandbox:
        return {
            "floor": seconds(lambda: read_and_hash(million)),
            "check": seconds(lambda: check(million)),
            "many": seconds(lambda: check(many)),
            "package": seconds(lambda: check(package)),
            "trimesh": seconds(lambda: check_by_trimesh(million)),
            "sandbox": seconds(lambda: _inspect(sandbox, million, pictures=False)),
        }


def _drawn(path: Path) -> float:
    write_stl(path, DRAWN_FACETS)
    with Sandbox() as sandbox:
        times = [seconds(lambda: _inspect(sandbox, path, pictures=True)) for _ in range(ROUNDS)]
    return statistics.median(times)


def _inspect(sandbox: Sandbox, path: Path, *, pictures: bool) -> None:
    with path.open("rb") as stream:
        blocks = iter(lambda: stream.read(1 << 20), b"")
        inspection = sandbox.inspect(blocks, filename=path.name, policy=Policy(), pictures=pictures)
    if inspection.verdict != "pass":
        raise RuntimeError(f"the ball was refused: {inspection.reasons}")


def _peak_mib() -> float:
    """Peak resident memory of this process image; getrusage would count that of the process before exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not tell VmHWM")


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        check(Path(sys.argv[2]))
        print(_peak_mib())
