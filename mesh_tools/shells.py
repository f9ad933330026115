"""Shells judged by their volume and by what is around them: inside out, without volume, cavities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mesh_tools.enclosure import Labels, windings
from mesh_tools.findings import Finding, finding
from mesh_tools.measure import Lengths, Measures
from mesh_tools.model import Body
from mesh_tools.topology import Topology

_FLAT_RATIO = 1e-9


def shell_findings(body: Body, topology: Topology, measures: Measures, scale: float) -> list[Finding]:
    """Findings about volume. An open body is only told that it holds nothing: its volume means little.

    Nothing is said of a body that is too large to be measured.
    """
    if not (math.isfinite(measures.volume) and math.isfinite(measures.area)):
        return []
    extent = float(np.max(measures.high - measures.low))
    nothing = _FLAT_RATIO * max(measures.area, 1e-300) * extent
    many = topology.sound and topology.shells > 1
    if abs(measures.volume) <= nothing and not many:
        return [finding("mesh.zero_volume", f"The surface encloses {measures.volume * scale**3:.3g} mm³.")]
    if not topology.sound:
        return []
    if topology.shells == 1:
        if measures.volume > 0:
            return []
        return [finding("mesh.inverted", f"The volume is negative: {measures.volume * scale**3:.6g} mm³.")]
    return _many(body, topology, scale)


def _many(body: Body, topology: Topology, scale: float) -> list[Finding]:
    table = _shell_table(body, topology)
    extents = (table.highs - table.lows).max(axis=1)
    flat = np.abs(table.volumes) <= _FLAT_RATIO * np.maximum(table.areas, 1e-300) * extents
    holes = np.flatnonzero((table.volumes < 0) & ~flat)
    in_matter = windings(body, table.shell, holes) >= 1 if len(holes) else np.empty(0, bool)
    found = []
    for code, shells, words in (
        ("mesh.inverted", holes[~in_matter], "shells are inside out"),
        ("mesh.cavities", holes[in_matter], "closed voids inside the part"),
        ("mesh.zero_volume", np.flatnonzero(flat), "shells enclose nothing"),
    ):
        if len(shells):
            middle = (table.lows[shells[0]] + table.highs[shells[0]]) / 2 * scale
            sample = (float(middle[0]), float(middle[1]), float(middle[2]))
            found.append(finding(code, f"{len(shells)} {words}.", count=len(shells), sample=sample))
    return found


@dataclass(frozen=True, eq=False)
class _Shells:
    """Shell of each facet (n,), −1 when collapsed; volume and area (s,) and bounds (s, 3) of each shell."""

    shell: Labels
    volumes: Lengths
    areas: Lengths
    lows: Lengths
    highs: Lengths


def _shell_table(body: Body, topology: Topology) -> _Shells:
    """Volumes are taken about each shell's own lowest corner, so that far and small shells are exact too."""
    roots, shell = np.unique(topology.shell_of, return_inverse=True)
    if roots[0] < 0:
        roots, shell = roots[1:], shell - 1
    count = len(roots)
    lows, highs = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for own, corners in _live(body, shell):
        np.minimum.at(lows, own, corners.min(axis=1))
        np.maximum.at(highs, own, corners.max(axis=1))
    volumes, areas = np.zeros(count), np.zeros(count)
    for own, corners in _live(body, shell):
        first = corners[:, 0]
        normals = np.cross(corners[:, 1] - first, corners[:, 2] - first)
        volumes += np.bincount(own, ((first - lows[own]) * normals).sum(axis=1) / 6, count)
        areas += np.bincount(own, np.linalg.norm(normals, axis=1) / 2, count)
    return _Shells(shell, volumes, areas, lows, highs)


def _live(body: Body, shell: Labels) -> Iterator[tuple[Labels, Lengths]]:
    """Shells (k,) and corners (k, 3, 3) of the facets that take part, chunk by chunk."""
    for start, corners in body.chunks():
        own = shell[start : start + len(corners)]
        yield own[own >= 0], corners[own >= 0].astype(np.float64)
