"""The gate's own work, as contenders: a path in, a callable out that answers a list of numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from mesh_tools.intersections import intersections
from mesh_tools.limits import Limits
from mesh_tools.load import load
from mesh_tools.measure import measure
from mesh_tools.shells import shell_findings
from mesh_tools.topology import examine
from mesh_tools.vertex_keys import VertexKeys

Work = Callable[[], list[float]]


def floor(path: Path) -> Work:
    """Every byte read and hashed, nothing else."""

    def work() -> list[float]:
        hashlib.sha256(path.read_bytes()).digest()
        return []

    return work


def check(path: Path) -> Work:
    """Topological and metric checks: 1 when sound, facets, volume, area, shells."""

    def work() -> list[float]:
        data = path.read_bytes()
        hashlib.sha256(data).digest()
        model = load(memoryview(data), path.name, Limits())
        [body] = model.bodies
        measures = measure(body)
        topology = examine(VertexKeys().of_corners(body))
        sound = topology.sound and not measures.not_finite.count and not measures.flat.count
        sound &= not shell_findings(body, topology, measures, 1.0)
        return [sound, body.facet_count, measures.volume, measures.area, topology.shells]

    return work


def inspect(path: Path) -> Work:
    """All that a sandboxed child does, without the sandbox: the number of refusals."""
    from mesh_tools.examine import examine_file  # here, so that the memory of the rest isn't counted with it
    from mesh_tools.gate import Policy

    def work() -> list[float]:
        data = path.read_bytes()
        hashlib.sha256(data).digest()
        report = examine_file(
            memoryview(data), filename=path.name, policy=Policy(), pictures=False, limits=Limits()
        )
        return [sum(found.severity == "refuse" for found in report.findings)]

    return work


def crossings(path: Path) -> Work:
    """Self-intersections and overlaps of a mesh that is loaded and labelled: how many are found."""
    model = load(memoryview(path.read_bytes()), path.name, Limits())
    shells = {0: examine(VertexKeys().of_corners(model.bodies[0])).shell_of}
    return lambda: [sum(len(marked.facets) for marked in intersections(model, 1.0, shells))]
