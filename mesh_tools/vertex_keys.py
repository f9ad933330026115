"""Keyed 64-bit keys of points: equal coordinates give equal keys, others differ but for chance (2⁻⁶⁴ a pair).

The key is drawn anew for each process, so nobody can prepare a file whose vertices collide.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh_tools.model import Body, Corners

Keys = NDArray[np.uint64]

_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_S32 = np.uint64(32)
_S29 = np.uint64(29)
_CHUNK = 8192


def _odd() -> np.uint64:
    return np.uint64(secrets.randbits(64) | 1)


def mix(words: Keys) -> Keys:
    """Finalise `words` in place: a bijection of 64-bit words that spreads every bit over all others."""
    words ^= words >> _S32
    words *= _M1
    words ^= words >> _S29
    words *= _M2
    words ^= words >> _S32
    return words


@dataclass(frozen=True)
class VertexKeys:
    """The keyed function from coordinates to keys, and the keys of a body's corners."""

    first: np.uint64 = field(default_factory=_odd)
    second: np.uint64 = field(default_factory=_odd)

    def of_points(self, points: Corners) -> Keys:
        """Keys (n,) of `points` (n, 3), float32 or float64, contiguous and free of −0."""
        if points.dtype == np.float32:
            bits = points.view(np.uint32)
            word = bits[:, 0].astype(np.uint64)
            word |= bits[:, 1].astype(np.uint64) << _S32
            rest: tuple[NDArray[Any], ...] = (bits[:, 2],)
        else:
            wide = points.astype(np.float64, copy=False).view(np.uint64)
            word = wide[:, 0].copy()
            rest = (wide[:, 1], wide[:, 2])
        word ^= self.first
        mix(word)
        for column in rest:
            word += column * self.second
            mix(word)
        return word

    def of_corners(self, body: Body) -> Keys:
        """Keys (3n,) of every corner of `body`, facet by facet."""
        if body.facets is not None:
            points = body.points + body.points.dtype.type(0)
            return self.of_points(np.ascontiguousarray(points))[body.facets].reshape(-1)
        keys = np.empty(3 * body.facet_count, np.uint64)
        for start, corners in body.chunks(_CHUNK):
            keys[3 * start : 3 * (start + len(corners))] = self.of_points(corners.reshape(-1, 3))
        return keys
