"""Areas of cross-sections along three axes, compared so that a plane that grazes a face proves nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mesh_tools.comparison.solid import Floats, Solid

PLANES = 24


@dataclass(frozen=True, slots=True)
class SectionDifference:
    """The worst plane: `axis` 0–2 at `at_mm`, areas in mm², `excess` what the tolerance does not explain."""

    axis: int
    at_mm: float
    master_mm2: float
    file_mm2: float
    excess: float


def worst_section(master: Solid, file: Solid, tolerance: float) -> SectionDifference:
    """Cut both, in the master's place, by `PLANES` planes across each axis.

    The file's area is held against the range of the master's areas within `tolerance` of the plane, and may
    leave it by `tolerance` along the whole outline.
    """
    worst = SectionDifference(0, float(master.bounds[0, 0]), 0.0, 0.0, 0.0)
    for axis in range(3):
        low, high = (
            np.minimum(master.bounds[0, axis], file.bounds[0, axis]),
            np.maximum(master.bounds[1, axis], file.bounds[1, axis]),
        )
        planes = low + (high - low) * (np.arange(PLANES) + 0.5) / PLANES
        own, outline = section_areas(file, axis, planes)
        ours = [section_areas(master, axis, planes + step) for step in (-tolerance, 0.0, tolerance)]
        areas = np.stack([area for area, _ in ours])
        slack = tolerance * np.maximum(np.max([length for _, length in ours], axis=0), outline)
        excess = np.maximum(own - areas.max(axis=0), areas.min(axis=0) - own) - slack
        at = int(excess.argmax())
        if excess[at] > worst.excess:
            worst = SectionDifference(
                axis, float(planes[at]), float(areas[1, at]), float(own[at]), float(excess[at])
            )
    return worst


def section_areas(solid: Solid, axis: int, planes: Floats) -> tuple[Floats, Floats]:
    """Area in mm² (k,) enclosed in each plane, signed as wound, and length in mm (k,) of the outline."""
    order = [axis, (axis + 1) % 3, (axis + 2) % 3]
    corners = solid.corners[:, :, order]
    low, high = corners[:, :, 0].min(axis=1), corners[:, :, 0].max(axis=1)
    areas, lengths = np.zeros(len(planes)), np.zeros(len(planes))
    for index, plane in enumerate(planes):
        start, end = _segments(corners[(low < plane) & (high >= plane)], float(plane))
        areas[index] = (start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]).sum() / 2
        lengths[index] = np.linalg.norm(end - start, axis=1).sum()
    return areas, lengths


def _segments(corners: Floats, plane: float) -> tuple[Floats, Floats]:
    """Where facets (n, 3, 3) pass the plane: start and end (n, 2), the inside to the left."""
    above = corners[:, :, 0] >= plane
    alone = np.where(above.sum(axis=1) == 1, above.argmax(axis=1), above.argmin(axis=1))
    rows = np.arange(len(corners))
    tip, after, before = (corners[rows, (alone + step) % 3] for step in range(3))
    share = ((plane - tip[:, 0]) / (after[:, 0] - tip[:, 0]))[:, None]
    first = tip[:, 1:] + share * (after[:, 1:] - tip[:, 1:])
    share = ((plane - tip[:, 0]) / (before[:, 0] - tip[:, 0]))[:, None]
    second = tip[:, 1:] + share * (before[:, 1:] - tip[:, 1:])
    upward = above[rows, alone][:, None]
    return np.where(upward, first, second), np.where(upward, second, first)
