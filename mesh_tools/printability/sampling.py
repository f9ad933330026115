"""Points on the surface: spread evenly by area, and the middles of single facets. Nothing is random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh_tools.printability.placed import Numbers, Placed, Singles

SPREAD = 20_000
MIDDLES = 10_000

_STEP_U, _STEP_V = 0.7548776662466927, 0.5698402909980532
_SLIVER, _SLIVERS_SHARE_MAX = 4e-6, 0.01


@dataclass(frozen=True, eq=False)
class Samples:
    """`points` (n, 3) on `facets` (n,); the first `spread` stand for equal areas, the rest for none.

    The middles find what is small but has facets of its own: up to `MIDDLES` facets, every one of them have
    their middle among the points.
    """

    points: Singles
    facets: Numbers
    spread: int


def sample(placed: Placed, spread: int = SPREAD, middles: int = MIDDLES) -> Samples:
    """Points on facets that are no slivers: those may have normals of rounding errors. Where they are more
    than a hundredth of the surface they count as any others, so that nothing hides behind them."""
    cumulated = np.cumsum(placed.areas)
    wanted = (np.arange(spread) + 0.5) / spread * cumulated[-1]
    found = np.minimum(np.searchsorted(cumulated, wanted), len(placed.areas) - 1)
    broad = _broad(placed, found)
    if len(broad) < (1 - _SLIVERS_SHARE_MAX) * spread:
        broad = found
    along = np.arange(len(broad), dtype=np.float64)[:, None]
    weights = np.concatenate([along * _STEP_U % 1, along * _STEP_V % 1], axis=1)
    folded = np.where(weights.sum(axis=1, keepdims=True) > 1, 1 - weights, weights)
    count = len(placed.areas)
    numbers = np.unique(np.linspace(0, count - 1, min(middles, count)).astype(np.int64))
    single = _broad(placed, numbers)
    points = np.concatenate(
        [_at(placed, broad, folded), _at(placed, single, np.full((len(single), 2), 1 / 3))]
    )
    return Samples(points, np.concatenate([broad, single]), len(broad))


def _at(placed: Placed, facets: Numbers, weights: NDArray[np.float64]) -> Singles:
    first, second, third = placed.corners[facets].astype(np.float64).transpose(1, 0, 2)
    points: Singles = (first + weights[:, :1] * (second - first) + weights[:, 1:] * (third - first)).astype(
        np.float32
    )
    return points


def _broad(placed: Placed, facets: Numbers) -> Numbers:
    """Those of `facets` whose height is well above the rounding of coordinates."""
    corners = placed.corners[facets]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    broad: Numbers = facets[2 * placed.areas[facets] > _SLIVER * placed.extent * sides]
    return broad
