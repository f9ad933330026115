"""What is done to parts: exports that leave the shape alone, and tampering that does not.

`python -m tests.mesh_tools.comparison.campaign SEEDS` runs all over ten parts and writes the answers' table.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mesh_tools.comparison.compare import compare
from mesh_tools.comparison.result import Comparison
from mesh_tools.comparison.solid import Solid
from tests.mesh_tools.comparison.parts import PARTS, Design, facets_of

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


def turned_edges(corners: Corners, random: Random) -> Corners:
    """Every facet cut in three at a point of its own, then shared edges of flat pairs flipped."""
    weights = random.dirichlet([3, 3, 3], len(corners))
    middle = np.einsum("nk,nkj->nj", weights, corners)
    parts = [np.stack([corners[:, k], corners[:, (k + 1) % 3], middle], 1) for k in range(3)]
    return np.concatenate(parts)


EXPORTS: dict[str, Callable[[Corners, Random], Corners]] = {
    export.__name__: export
    for export in (ordered_anew, single_precision, six_digits, on_a_grid, bisected, turned_edges)
}  # fmt: skip


def moved(corners: Corners, random: Random) -> Corners:
    """Turned and shifted at random."""
    turn = Rotation.random(rng=random).as_matrix()
    return corners @ turn.T + random.uniform(-80, 80, 3)


def as_exported(part: Manifold, random: Random) -> Corners:
    """One of the exports, drawn."""
    return list(EXPORTS.values())[random.integers(len(EXPORTS))](facets_of(part), random)


def drawn(random: Random) -> Design:
    """The master's design."""
    return Design(int(random.integers(48, 97)), float(random.uniform(0.7, 1.8)))


def meshed_anew(design: Design, random: Random) -> Design:
    """The same part with round faces cut otherwise."""
    return replace(design, segments=int(design.segments * random.uniform(0.8, 2.0)))


def with_void(part: Manifold, random: Random) -> Manifold:
    """A ball of nothing inside."""
    low, high = np.array(part.bounding_box()[:3]), np.array(part.bounding_box()[3:])
    while True:
        radius = random.uniform(0.3, 1.2)
        ball = Manifold.sphere(radius, 16).translate(random.uniform(low, high))
        if abs((ball - part.scale([1, 1, 1])).volume()) < 1e-12 and not (ball - part).volume():
            return part - ball


def _whole(name: str, design: Design, random: Random) -> Manifold:
    return PARTS[name](meshed_anew(design, random))


TAMPERINGS: dict[str, Callable[[str, Design, Random], Manifold]] = {
    "void": lambda name, d, r: with_void(_whole(name, d, r), r),
    "scale": lambda name, d, r: _whole(name, d, r),
    "shaved joint": lambda name, d, r: _whole(name, replace(d, shave=r.uniform(0.15, 0.5)), r),
    "moved hole": lambda name, d, r: _whole(
        name, replace(d, hole_shift=r.choice([-1, 1]) * r.uniform(0.2, 0.8)), r
    ),
    "mirrored": lambda name, d, r: _whole(name, d, r).mirror([1.0, 0.0, 0.0]),
    "thinned wall": lambda name, d, r: _whole(name, replace(d, thin=r.uniform(0.15, 0.5)), r),
}
FACTORS = (25.4, 1 / 25.4, 10.0, 0.1)
EXPECTED = {"scale": "rescaled", "mirrored": "mirrored"}


def master_and(name: str, seed: int) -> tuple[Random, Design, Solid]:
    """The master of a part and seed, and the randomness that made it."""
    random = np.random.default_rng([seed, list(PARTS).index(name)])
    design = drawn(random)
    return random, design, Solid(facets_of(PARTS[name](design)))


def tampered(name: str, seed: int, how: str) -> Comparison:
    """Compare a tampered copy, exported anew, half of them moved too."""
    random, design, master = master_and(name, seed)
    corners = as_exported(TAMPERINGS[how](name, design, random), random)
    if how == "scale":
        corners = corners * random.choice(
            [*FACTORS, random.uniform(0.97, 0.996), random.uniform(1.004, 1.03)]
        )
    return compare(master, Solid(moved(corners, random) if seed % 2 else corners))


def untouched(name: str, seed: int, export: str) -> Comparison:
    """Compare a true copy: exported as named, half of them meshed anew, half of them moved."""
    random, design, master = master_and(name, seed)
    again = meshed_anew(design, random) if seed % 4 >= 2 else design
    corners = EXPORTS[export](facets_of(PARTS[name](again)), random)
    return compare(master, Solid(moved(corners, random) if seed % 2 else corners))


def misses(parts: Iterable[str], seeds: Iterable[int], counts: dict[str, Counter[str]]) -> list[str]:
    """Run the campaign over parts and seeds; gives what was judged wrongly, and counts the answers."""
    wrong = []
    for name, seed in itertools.product(parts, seeds):
        for how in TAMPERINGS:
            found = tampered(name, seed, how)
            counts[how][found.kind] += 1
            if found.accepted:
                wrong.append(f"{name} {seed}: {how} passed as {found.kind}")
        for export in EXPORTS:
            found = untouched(name, seed, export)
            counts[export][found.kind] += 1
            if not found.accepted:
                wrong.append(f"{name} {seed}: {export} refused as {found.kind}, {found.reasons}")
    return wrong


def main() -> None:
    """Run the campaign and write its table to standard output."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    wrong = misses(PARTS, range(int(sys.argv[1])), counts)
    rows = [f"{what:18} {dict(found)}" for what, found in counts.items()]
    sys.stdout.write("\n".join([*wrong, *rows, ""]))


if __name__ == "__main__":
    main()
