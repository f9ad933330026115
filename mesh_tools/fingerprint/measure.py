"""Makes a part's fingerprint. Runs inside the sandbox."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mesh_tools.comparison.solid import Floats, Solid
from mesh_tools.errors import Refused
from mesh_tools.fingerprint.vector import BLOCKS, Fingerprint

POINTS: Final = 4096
_BATCH: Final = 512
_SEED: Final = 64
_NORMAL_REACH: Final = 2.4


def fingerprint(solid: Solid) -> Fingerprint:
    """The fingerprint of a part; Refused where its surface has no extent.

    Points are drawn evenly by area with a fixed seed, so the same file always gives the same fingerprint.
    """
    points, normals = _drawn(solid)
    centred = points - points.mean(axis=0)
    radius = np.linalg.norm(centred, axis=1)
    size = float(np.sqrt((radius**2).mean()))
    if not size > 0:
        raise Refused("mesh.zero_volume", "The surface has no extent.")
    facing = np.einsum("ij,ij->i", centred, normals) / np.maximum(radius, 1e-12 * size)
    apart, alike = _pairs(centred / size, normals)
    values = np.concatenate(
        [
            _quantiles(apart, BLOCKS["d2"]),
            _quantiles(radius / size, BLOCKS["radius"]),
            _quantiles(facing, BLOCKS["facing"]),
            _mean_by_distance(apart, alike, BLOCKS["normals"]),
            _ratios(solid, size),
            [np.log(size)],
        ]
    )
    return Fingerprint(values.astype(np.float32))


def _drawn(solid: Solid) -> tuple[Floats, Floats]:
    """Points (n, 3) spread evenly over the surface, in an order of their own, with their unit normals."""
    random = np.random.default_rng(_SEED)
    reach = np.cumsum(solid.areas)
    if not reach[-1] > 0:
        raise Refused("mesh.zero_volume", "The surface has no area.")
    places = (np.arange(POINTS) + random.random(POINTS)) / POINTS * reach[-1]
    facet = np.minimum(np.searchsorted(reach, places), len(reach) - 1)
    along, across = np.sqrt(random.random(POINTS)), random.random(POINTS)
    weights = np.stack([1 - along, along * (1 - across), along * across], axis=1)
    points = np.einsum("nk,nkj->nj", weights, solid.corners[facet])
    normals = solid.normals[facet] / np.maximum(solid.areas[facet], 1e-300)[:, None]
    order = random.permutation(POINTS)
    return points[order], normals[order]


def _pairs(points: Floats, normals: Floats) -> tuple[Floats, Floats]:
    """Distances and cosines between normals for the pairs of points within each batch."""
    rows, columns = np.triu_indices(_BATCH, 1)
    apart, alike = [], []
    for start in range(0, POINTS, _BATCH):
        part, facing = points[start : start + _BATCH], normals[start : start + _BATCH]
        squares = np.einsum("ij,ij->i", part, part)
        squared = squares[:, None] + squares - 2 * part @ part.T
        apart.append(np.sqrt(np.maximum(squared[rows, columns], 0)))
        alike.append((facing @ facing.T)[rows, columns])
    return np.concatenate(apart), np.concatenate(alike)


def _quantiles(values: NDArray[np.float64], count: int) -> Floats:
    ordered = np.sort(values)
    return np.asarray(ordered[((np.arange(count) + 0.5) / count * len(ordered)).astype(np.int64)])


def _mean_by_distance(apart: Floats, alike: Floats, count: int) -> Floats:
    """Mean cosine in `count` equal bands of distance, weighted by how many pairs fall in each."""
    band = np.minimum((apart / _NORMAL_REACH * count).astype(np.int64), count - 1)
    total = np.bincount(band, alike, count)
    return np.asarray(total / len(apart) * count)


def _ratios(solid: Solid, size: float) -> Floats:
    """Logarithms of area, volume and moments against the size; each within ±3."""
    spread = np.linalg.eigvalsh(solid.surface_covariance)
    inertia = np.maximum(solid.inertia, 0)
    values = np.array(
        [
            solid.area / size**2 / 10,
            abs(solid.volume) / size**3,
            spread[0] / size**2,
            spread[1] / size**2,
            inertia[0] / max(float(inertia[2]), 1e-300),
            inertia[1] / max(float(inertia[2]), 1e-300),
        ]
    )
    return np.asarray(np.log(np.clip(values, 0.05, 20.0)))
