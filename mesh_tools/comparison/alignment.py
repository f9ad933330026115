"""Which motions may take a part onto its master? Principal axes, turns where these are alike, then ICP.

Surface moments give each part a centre and three axes. Distinct axes leave four turns; where two are alike
(gears, tubes) turns around the third are tried, where all three are (cubes, spheres) turns that cover all.
The best on a coarse sample are refined by point-to-plane ICP (Chen and Medioni 1991) on the nearer 80 %, with
Cauchy weights, so that points taken for the wrong plane do not pull.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from mesh_tools.comparison.motion import Motion
from mesh_tools.comparison.pieces import Pieces
from mesh_tools.comparison.solid import Floats, Solid

_ALIKE = 0.06
_AROUND, _COVERING = 120, 3000
COARSE_POINTS, FINE_POINTS = 160, 2000
_KEPT, _REFINED = 40, 4
_TRIM = 0.8
_ROUNDS_COARSE, ROUNDS_FINE = 12, 40
_CAUCHY = 2.0
_STILL = 1e-9
_RESCALED_MAX = 0.05
_SEED = 20_260_101


def aligned(
    master: Pieces, file: Pieces, scale: float, *, mirror: bool, scaling: bool = False
) -> Iterator[Motion]:
    """Yield the best motions, best first, that take `file` near `master`, lengths multiplied by `scale`.

    `scaling`: the scale is only about right and is refined too.
    """
    points = sampled(file, COARSE_POINTS)
    rough = sorted(
        (_misfit(master, motion.of_points(points)), index, motion)
        for index, motion in enumerate(_candidates(master.solid, file.solid, scale, mirror=mirror))
    )[:_KEPT]
    better = [refined(master, points, motion, _ROUNDS_COARSE) for _, _, motion in rough]
    points = sampled(file, FINE_POINTS)
    ranked = sorted(range(len(better)), key=lambda at: _misfit(master, better[at].of_points(points), 1.0))
    for at in ranked[:_REFINED]:
        motion = refined(master, points, better[at], ROUNDS_FINE, scaling=scaling)
        if abs(motion.scale / scale - 1) <= _RESCALED_MAX:
            yield motion


def refined(master: Pieces, points: Floats, motion: Motion, rounds: int, *, scaling: bool = False) -> Motion:
    """`motion` after ICP, which turns and shifts, and with `scaling` scales by a few percent at the most, the
    file's `points` (n, 3) onto the master's planes.
    """
    size = np.array([master.solid.diagonal or 1.0] * 3 + [1.0] * 3 + [master.solid.diagonal or 1.0] * scaling)
    scale = motion.scale
    for _ in range(rounds):
        placed = motion.of_points(points)
        distance, near = master.tree.query(placed)
        kept = distance <= np.quantile(distance, _TRIM)
        placed, near = placed[kept], near[kept]
        normals = master.normals[near]
        middle = placed.mean(axis=0)
        columns = [np.cross(placed - middle, normals), normals]
        if scaling:
            columns.append(np.einsum("ij,ij->i", placed - middle, normals)[:, None])
        system = np.hstack(columns)
        target = np.einsum("ij,ij->i", master.centres[near] - placed, normals)
        spread = _CAUCHY * np.median(np.abs(target)) + 1e-7 * size[0]
        weight = 1 / np.sqrt(1 + (target / spread) ** 2)
        step = np.linalg.lstsq(system / size * weight[:, None], target * weight, rcond=1e-6)[0] / size
        turn = Rotation.from_rotvec(step[:3]).as_matrix().T * (1 + (step[6] if scaling else 0.0))
        motion = motion.then(turn, middle - middle @ turn + step[3:6])
        still = np.abs(step * size).max() < _STILL * master.solid.diagonal
        if still or abs(motion.scale / scale - 1) > _RESCALED_MAX:
            break
    return motion


def sampled(surface: Pieces, wanted: int) -> Floats:
    """Centres of up to `wanted` pieces, drawn by area, the same each time."""
    count = len(surface.facet)
    if count <= wanted:
        return surface.centres
    weights = np.cumsum(surface.areas)
    random = np.random.default_rng(_SEED)
    places = (np.arange(wanted) + random.random(wanted)) / wanted * weights[-1]
    drawn: Floats = surface.centres[np.minimum(np.searchsorted(weights, places), count - 1)]
    return drawn


def _misfit(master: Pieces, placed: Floats, share: float = _TRIM) -> float:
    """Mean distance of the nearer `share` of the points. All must count to tell one tooth of a gear from the
    next: they differ in a keyway alone.
    """
    distance, _ = master.tree.query(placed)
    return float(np.sort(distance)[: int(share * len(distance))].mean())


def _candidates(master: Solid, file: Solid, scale: float, *, mirror: bool) -> Iterator[Motion]:
    spread, axes = np.linalg.eigh(master.surface_covariance)
    _, own = np.linalg.eigh(file.surface_covariance)
    axes, own = _right_handed(axes), _right_handed(own)
    if mirror:
        own = own * np.array([1.0, 1.0, -1.0])
    for turn in _turns(spread):
        linear = own @ turn @ axes.T * scale
        yield Motion(linear, master.surface_centroid - file.surface_centroid @ linear)


def _right_handed(axes: Floats) -> Floats:
    right: Floats = axes * np.array([1.0, 1.0, np.sign(np.linalg.det(axes))])
    return right


def _turns(spread: Floats) -> Iterator[Floats]:
    """Turns (3, 3) that leave the axes' order open where their spreads (3,), ascending, do not tell."""
    low, high = spread[1] - spread[0] < _ALIKE * spread[1], spread[2] - spread[1] < _ALIKE * spread[2]
    if low and high:
        yield from Rotation.random(_COVERING, rng=np.random.default_rng(_SEED)).as_matrix()
        return
    halves = [
        np.diag([1.0, 1.0, 1.0]),
        np.diag([1.0, -1.0, -1.0]),
        np.diag([-1.0, 1.0, -1.0]),
        np.diag([-1.0, -1.0, 1.0]),
    ]
    if not low and not high:
        yield from halves
        return
    axis = np.array([0.0, 0.0, 1.0]) if low else np.array([1.0, 0.0, 0.0])
    for angle in np.arange(_AROUND) * (2 * np.pi / _AROUND):
        turn = Rotation.from_rotvec(angle * axis).as_matrix()
        yield turn
        yield turn @ halves[1 if low else 2]
