"""Shells judged by their volume and by what is around them: inside out, without volume, cavities."""

from __future__ import annotations

import math

import numpy as np

from mesh_tools.enclosure import Labels, windings
from mesh_tools.findings import Finding, Point, finding
from mesh_tools.measure import Lengths, Measures, facet_volumes
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
    shell, volumes, lows, highs = _shell_table(body, topology)
    holes = np.flatnonzero(volumes < 0)
    in_matter = windings(body, shell, holes) >= 1 if len(holes) else np.empty(0, bool)
    inverted, cavities = holes[~in_matter], holes[in_matter]
    found = []
    if len(inverted):
        message = f"{len(inverted)} shells are inside out."
        sample = _centre(lows, highs, int(inverted[0]), scale)
        found.append(finding("mesh.inverted", message, count=len(inverted), sample=sample))
    if len(cavities):
        hollow = float(-volumes[cavities].sum()) * scale**3
        message = f"{len(cavities)} closed voids inside the part hold {hollow:.4g} mm³."
        sample = _centre(lows, highs, int(cavities[0]), scale)
        found.append(finding("mesh.cavities", message, count=len(cavities), sample=sample))
    empty = int(np.count_nonzero(volumes == 0))
    if empty:
        found.append(finding("mesh.zero_volume", f"{empty} shells enclose nothing.", count=empty))
    return found


def _shell_table(body: Body, topology: Topology) -> tuple[Labels, Lengths, Lengths, Lengths]:
    """Shell of each facet (n,), −1 when collapsed; volume (s,) and bounds (s, 3), (s, 3) of each shell."""
    roots, shell = np.unique(topology.shell_of, return_inverse=True)
    offset = int(len(roots) > 0 and roots[0] < 0)
    count = len(roots)
    volumes = np.zeros(count)
    lows, highs = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for start, part in facet_volumes(body):
        where = shell[start : start + len(part)]
        volumes += np.bincount(where, part, count)
        corners = body.corners(start, start + len(part)).astype(np.float64)
        np.minimum.at(lows, where, corners.min(axis=1))
        np.maximum.at(highs, where, corners.max(axis=1))
    return shell - offset, volumes[offset:], lows[offset:], highs[offset:]


def _centre(lows: Lengths, highs: Lengths, shell: int, scale: float) -> Point:
    middle = (lows[shell] + highs[shell]) / 2 * scale
    return (float(middle[0]), float(middle[1]), float(middle[2]))
