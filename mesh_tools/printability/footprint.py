"""Does a convex outline fit a rectangle at some angle? Decided exactly, not by trying angles.

Width and depth of a convex polygon at an angle are each spanned by two of its corners, the same ones between
two neighbouring directions of its edges. There both are concave functions of the angle, so the larger of
their excesses over the rectangle is least at an end of such an interval or where both excesses are equal.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_ANGLES_AT_ONCE = 512


def least_excess(outline: Doubles, width: float, depth: float) -> tuple[float, float]:
    """The least that the polygon's corners (n, 2) stick out of width × depth, and the angle (radians) by
    which to turn them for it; not above zero where it fits."""
    edges = np.roll(outline, -1, axis=0) - outline
    ends = np.unique(np.concatenate([[0.0], np.arctan2(edges[:, 1], edges[:, 0])]) % (math.pi / 2))
    ends = np.concatenate([-ends, math.pi / 2 - ends])
    ends = np.unique(np.concatenate([ends % math.pi, [math.pi]]))
    angles = np.concatenate([ends, _crossings(outline, ends, width - depth)])
    excess = np.concatenate(
        [
            np.maximum(
                *(spans - room for spans, room in zip(_spans(outline, part), (width, depth), strict=True))
            )
            for part in np.array_split(angles, len(angles) // _ANGLES_AT_ONCE + 1)
        ]
    )
    best = int(excess.argmin())
    return float(excess[best]), float(angles[best])


def _spans(outline: Doubles, angles: Doubles) -> tuple[Doubles, Doubles]:
    """Extent along x and along y (m,) of the corners turned by each of the angles (m,)."""
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = outline.T
    along, across = cosine * x - sine * y, sine * x + cosine * y
    return np.ptp(along, axis=1), np.ptp(across, axis=1)


def _crossings(outline: Doubles, ends: Doubles, difference: float) -> Doubles:
    """Angles inside the intervals between `ends` at which width − depth is `difference`."""
    middle = (ends[1:] + ends[:-1]) / 2
    found = []
    for part in np.array_split(np.arange(len(middle)), len(middle) // _ANGLES_AT_ONCE + 1):
        cosine, sine = np.cos(middle[part])[:, None], np.sin(middle[part])[:, None]
        x, y = outline.T
        along, across = cosine * x - sine * y, sine * x + cosine * y
        wide = outline[along.argmax(axis=1)] - outline[along.argmin(axis=1)]
        deep = outline[across.argmax(axis=1)] - outline[across.argmin(axis=1)]
        # width = wide · (cos, −sin), depth = deep · (sin, cos): their difference is one sinusoid of the angle
        a, b = wide[:, 0] - deep[:, 1], -wide[:, 1] - deep[:, 0]
        size = np.hypot(a, b)
        reachable = np.abs(difference) <= size
        turn = np.arccos(np.clip(difference / np.where(size > 0, size, 1), -1, 1))
        phase = np.arctan2(b, a)
        for angle in (phase + turn, phase - turn):
            angle = angle % math.pi
            inside = reachable & (angle > ends[:-1][part]) & (angle < ends[1:][part])
            found.append(angle[inside])
    return np.concatenate(found)
