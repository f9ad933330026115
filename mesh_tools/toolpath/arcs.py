"""Arcs (G2 clockwise, G3 anticlockwise) in the plane of x and y: how long they are and how far they reach.

The centre is given by I and J from the start, or by the radius R (negative: the longer way round), as in
ISO 6983-1 and the firmwares. An arc whose end is not as far from the centre as its start, that has no centre
or two, or that no circle of that radius can draw is malformed: machines would draw different things.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

_SLACK_MM = 0.1
_SLACK_SHARE = 0.01
_ROUND_MM = 1e-3
_WHOLE_TURN_RADIANS = 1e-4


@dataclass(frozen=True, eq=False)
class Arcs:
    """Of n arcs: length along the circle (n,) in mm, lowest and highest (2, n), and which are malformed."""

    lengths: Numbers
    low: Numbers
    high: Numbers
    malformed: Mask


def measure_arcs(
    begin: Numbers, end: Numbers, clockwise: Mask, centre: tuple[Numbers, Numbers, Numbers], turns: Numbers
) -> Arcs:
    """Measure arcs from `begin` to `end` (2, n) in mm; `centre` holds I, J and R, NaN where absent; `turns`
    are further whole turns.
    """
    across, up, radius = centre
    by_offset = np.isfinite(across) | np.isfinite(up)
    by_radius = np.isfinite(radius)
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = begin + np.nan_to_num(np.stack([across, up]))
        middle = np.where(by_radius & ~by_offset, _by_radius(begin, end, clockwise, radius), offset)
    malformed = (by_offset == by_radius) | ~np.isfinite(middle).all(axis=0) | (turns < 0)
    middle = np.where(malformed, begin, middle)
    first, last = np.hypot(*(begin - middle)), np.hypot(*(end - middle))
    malformed |= (first < _ROUND_MM) | (np.abs(first - last) > np.maximum(_SLACK_MM, _SLACK_SHARE * first))
    size = np.maximum(first, last)
    start, sweep = _sweep(begin - middle, end - middle, clockwise)
    sweep = np.where((turns > 0) | (sweep < _WHOLE_TURN_RADIANS), 2 * np.pi, sweep)
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    for quarter, direction in enumerate(((1, 0), (0, 1), (-1, 0), (0, -1))):
        turn = quarter * np.pi / 2 - start
        reached = np.mod(np.where(clockwise, -turn, turn), 2 * np.pi) <= sweep
        tip = middle + size * np.array(direction, np.float64)[:, None]
        low = np.where(reached, np.minimum(low, tip), low)
        high = np.where(reached, np.maximum(high, tip), high)
    return Arcs(size * (sweep + 2 * np.pi * turns), low, high, malformed)


def _by_radius(begin: Numbers, end: Numbers, clockwise: Mask, radius: Numbers) -> Numbers:
    """Centres (2, n) of arcs given by their radius; not finite where there is none."""
    chord = end - begin
    length = np.hypot(*chord)
    height = np.sqrt(np.where(np.abs(radius) + _ROUND_MM < length / 2, np.nan,
                              np.maximum(radius**2 - (length / 2) ** 2, 0)))  # fmt: skip
    side = np.where(clockwise ^ (radius < 0), -1.0, 1.0)
    left = np.stack([-chord[1], chord[0]]) / length
    centre: Numbers = (begin + end) / 2 + left * side * height
    return centre


def _sweep(first: Numbers, last: Numbers, clockwise: Mask) -> tuple[Numbers, Numbers]:
    """The angle of the start and the angle swept, in [0, 2π)."""
    start, stop = np.arctan2(first[1], first[0]), np.arctan2(last[1], last[0])
    return start, np.mod(np.where(clockwise, start - stop, stop - start), 2 * np.pi)
