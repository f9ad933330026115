"""What programs do to a file that leaves the part alone: facets (n, 3, 3) in, others of one surface out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from manifold3d import Manifold, Mesh64
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from tests.mesh_tools.comparison.parts import facets_of

Corners = NDArray[np.float64]
Random = np.random.Generator


def ordered_anew(corners: Corners, random: Random) -> Corners:
    """Facets shuffled, each begun at another corner."""
    turned = (random.integers(0, 3, len(corners))[:, None] + np.arange(3)) % 3
    return corners[np.arange(len(corners))[:, None], turned][random.permutation(len(corners))]


def single_precision(corners: Corners, random: Random) -> Corners:
    return corners.astype(np.float32).astype(float)


def six_digits(corners: Corners, random: Random) -> Corners:
    return np.vectorize(lambda value: float(f"{value:.6g}"))(corners)


def on_a_grid(corners: Corners, random: Random) -> Corners:
    """Welded to 0.005 mm, as repair tools do; what collapses is dropped."""
    welded = np.round(corners / 0.005) * 0.005
    flat = (welded == np.roll(welded, 1, axis=1)).all(axis=2).any(axis=1)
    return welded[~flat]


def bisected(corners: Corners, random: Random) -> Corners:
    """Every facet cut in four."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    return np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])


def cut_at_points(corners: Corners, random: Random) -> Corners:
    """Every facet cut in three at a point of its own."""
    weights = random.dirichlet([3, 3, 3], len(corners))
    middle = np.einsum("nk,nkj->nj", weights, corners)
    parts = [np.stack([corners[:, k], corners[:, (k + 1) % 3], middle], 1) for k in range(3)]
    return np.concatenate(parts)


def flipped(corners: Corners, random: Random) -> Corners:
    """Edges between two facets of a flat face turned to the quad's other diagonal, in three rounds."""
    for _ in range(3):
        corners = _flipped_once(corners, random)
    return corners


def _flipped_once(corners: Corners, random: Random) -> Corners:
    _, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    start, end = index.reshape(-1), np.roll(index.reshape(-1, 3), -1, axis=1).reshape(-1)
    count = int(index.max()) + 1
    keys = start * count + end
    order = np.argsort(keys)
    twin = order[np.minimum(np.searchsorted(keys[order], end * count + start), len(keys) - 1)]
    half = np.flatnonzero((np.arange(len(keys)) < twin) & (keys[twin] == end * count + start))
    first, second = half // 3, twin[half] // 3
    a, b, c = (corners[first, (half + step) % 3] for step in range(3))
    d = corners[second, (twin[half] + 2) % 3]
    pair = np.stack([np.stack([a, d, c], 1), np.stack([d, b, c], 1)], axis=1)
    diagonal = index[3 * first + (half + 2) % 3] * count + index[3 * second + (twin[half] + 2) % 3]
    may = _flat(np.stack([np.stack([a, b, c], 1), np.stack([b, a, d], 1)], axis=1), pair)
    may &= ~np.isin(diagonal, keys)
    rank = np.where(may, random.permutation(len(half)), len(half))
    best = np.full(len(corners), len(half))
    np.minimum.at(best, np.concatenate([first, second]), np.tile(rank, 2))
    chosen = may & (rank == best[first]) & (rank == best[second])
    turned = corners.copy()
    turned[first[chosen]], turned[second[chosen]] = pair[chosen, 0], pair[chosen, 1]
    return turned


def _flat(before: Corners, after: Corners) -> NDArray[np.bool_]:
    """Whether pairs of facets (n, 2, 3, 3) lie in one plane, facing one way, before and after."""
    every = np.concatenate([before, after], axis=1)
    normals = np.cross(every[:, :, 1] - every[:, :, 0], every[:, :, 2] - every[:, :, 0])
    areas = np.linalg.norm(normals, axis=2)
    cosines = np.einsum("nkj,nj->nk", normals, normals[:, 0]) / np.maximum(areas * areas[:, :1], 1e-300)
    return np.asarray((areas > 1e-6).all(axis=1) & (cosines > 1 - 1e-9).all(axis=1))


def decimated(corners: Corners, random: Random) -> Corners:
    """Edges collapsed where the surface stays within 0.01 mm."""
    vertices, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    mesh = Mesh64(vertices, index.reshape(-1, 3).astype(np.uint64))
    return facets_of(Manifold(mesh).simplify(0.01))


EXPORTS: dict[str, Callable[[Corners, Random], Corners]] = {
    export.__name__.replace("_", " "): export
    for export in (
        ordered_anew, single_precision, six_digits, on_a_grid, bisected, cut_at_points, flipped, decimated,
    )
}  # fmt: skip


def moved(corners: Corners, random: Random) -> Corners:
    """Turned and shifted at random."""
    turn = Rotation.random(rng=random).as_matrix()
    return corners @ turn.T + random.uniform(-80, 80, 3)
